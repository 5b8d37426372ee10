"""The near cache against a model: a store of versions, writes that invalidate, loads that overlap with all of it."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from flask_backend_patterns.cache import MISSING, NearCache

KEYS = st.sampled_from("abcdef")
TTL_SECONDS = 10


class Model(RuleBasedStateMachine):
    """Loads are split into begin, read and end, so that every interleaving with writes and losses comes up.

    The messages of writes travel: each is delivered later, in order, or lost together with the feed.
    """

    loads = Bundle("loads")

    @initialize(max_entries=st.sampled_from([0, 1, 2, 4, 100]))
    def start(self, max_entries):
        self.max_entries = max_entries
        self.now = 0.0
        self.store = dict.fromkeys("abcdef", 0)
        self.in_flight = []
        self.is_trusted = True
        self.listener = None
        self.read_at = {}
        self.cache = NearCache(
            max_entries=max_entries, ttl_seconds=TTL_SECONDS, feed=self, clock=lambda: self.now
        )

    def listen(self, listener):
        self.listener = listener

    @rule(key=KEYS, delivered=st.booleans())
    def write(self, key, delivered):
        self.store[key] += 1
        self.in_flight.append(key)
        if delivered:
            self.deliver()

    @rule()
    def deliver(self):
        while self.in_flight and self.is_trusted:
            self.listener((self.in_flight.pop(0),))

    @rule()
    def lose(self):
        self.is_trusted = False
        self.in_flight.clear()

    @rule()
    def find(self):
        if not self.is_trusted:
            self.in_flight.clear()
            self.listener(None)
            self.is_trusted = True

    @rule(seconds=st.sampled_from([0, 1, 9, 10, 11]))
    def wait(self, seconds):
        self.now += seconds

    @rule(target=loads, key=KEYS)
    def begin_load(self, key):
        """A load in a generator: it stops where the loader has read, and goes on when the test says so."""
        return self._load(key), key

    def _load(self, key):
        # what get_or_load does around `load`, at the seam where a slow loader would wait
        if not self.is_trusted:
            return None
        loads = self.cache._begin([key])
        return loads, {key: (self.store[key], self.now)}, self.now + TTL_SECONDS

    @rule(load=consumes(loads))
    def end_load(self, load):
        state, _ = load
        if state is not None:
            self.cache._end(*state)

    @rule(key=KEYS)
    def get(self, key):
        """Never older than what has been delivered, nor than its time; without trust always the truth."""
        version, read_at = self.cache.get_or_load(key, lambda: (self.store[key], self.now))
        unheard = self.in_flight.count(key)
        assert version >= self.store[key] - (unheard if self.is_trusted else 0)
        assert self.now - read_at < TTL_SECONDS

    @rule(keys=st.lists(KEYS, max_size=8))
    def get_many(self, keys):
        found = self.cache.get_or_load_many(
            keys, lambda unknown: {key: (self.store[key], self.now) for key in unknown}
        )
        assert list(found) == list(dict.fromkeys(keys))
        for key, (version, _) in found.items():
            assert version >= self.store[key] - (self.in_flight.count(key) if self.is_trusted else 0)

    @rule(key=KEYS)
    def discard(self, key):
        self.cache.discard(key)
        assert self.cache.peek(key) is MISSING

    @invariant()
    def it_is_bounded(self):
        if hasattr(self, "cache"):
            assert len(self.cache) <= self.max_entries
            assert not self.cache._recent.keys() & self.cache._older.keys()


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=80, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
