"""What goes wrong in loaders again and again is said once a minute."""

from flask_backend_patterns import get_or_load


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
