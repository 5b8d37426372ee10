"""What Redis is told, seen by MONITOR: how many trips something costs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis

# What clients and threads in the background say, of this app or of one before, to be and stay connected: no request
# waits for it.
KEEPS_CONNECTED = {"PING", "HELLO", "AUTH", "SELECT", "CLIENT", "SUBSCRIBE", "SSUBSCRIBE", "INFO"}
END = "end-of-what-is-looked-at"


@contextmanager
def commands_sent(url: str) -> Iterator[list[str]]:
    """The names of the commands that Redis gets meanwhile, in upper case; the list is filled when the block ends.

    The calls that a script makes are no trips, and left out.
    """
    sent: list[str] = []
    with Redis.from_url(url) as teller, Redis.from_url(url) as watcher:
        teller.ping()
        with watcher.monitor() as monitor:
            yield sent
            teller.echo(END)
            while END not in (said := monitor.next_command())["command"]:
                name = said["command"].split()[0].upper()
                if said["client_type"] != "lua" and name not in KEEPS_CONNECTED:
                    sent.append(name)


def commands_of(url: str, act: Callable[[], object]) -> list[str]:
    """The names of the commands that Redis gets while `act` runs."""
    with commands_sent(url) as sent:
        act()
    return sent
