"""What goes wrong again and again is said once a minute, with how often."""

from flask_backend_patterns import get_or_load
from flask_backend_patterns.cache.notices import MAX_NAMES, Notices


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_notice_is_due_once_a_minute_and_counts_those_between():
    """For each name by itself; a name does not wait for another."""
    clock = Clock()
    notices = Notices(clock)
    assert [notices.times("failed", "a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert notices.times("failed", "b") == 1
    assert notices.times("large", "a") == 1
    clock.now = 59.9
    assert notices.times("failed", "a") == 0
    clock.now = 60
    assert notices.times("failed", "a") == 6
    assert notices.times("failed", "a") == 0


def test_names_without_end_take_no_room_without_end():
    """All are forgotten when there are too many: what they say is said again."""
    notices = Notices(Clock())
    for number in range(3 * MAX_NAMES):
        notices.times("failed", str(number))
    assert len(notices._known) <= MAX_NAMES


def test_a_loader_that_fails_now_and_then_is_logged_once_though_others_succeed(cache_app, engine):
    """R9: half of the ids failing is one line a minute, not one for each failure."""
    events = []
    engine.log = type(
        "Log", (), {"warning": lambda self, event, **fields: events.append((event, fields["times"]))}
    )()
    now = [engine.wall_clock()]
    engine.wall_clock = engine.store._clock = lambda: now[0]

    def load(number):
        def function():
            if now[0] > began and number % 2:
                raise ValueError(number)
            return number

        return function

    began = now[0]
    for attempt in (0, 30):
        now[0] = began + attempt
        assert [
            get_or_load(f"k{number}", load(number), ttl=10, stale=600, jitter=0, near=False, name="half")
            for number in range(20)
        ] == list(range(20))
    assert events == [("cache_load_failed", 1)]
