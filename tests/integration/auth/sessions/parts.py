"""The parts that tests, and the processes they start, build on one Redis: as an app does, without an app.

As a program it answers one command a line, in JSON, with a line of JSON.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flask_backend_patterns._redis import RedisSettings, connect
from flask_backend_patterns._redis_outage import RedisOutage
from flask_backend_patterns.auth.sessions import Lifetimes, Revocations, SessionKeys
from flask_backend_patterns.auth.sessions.backends.redis import RedisRevocationReader, RedisSessionStore
from flask_backend_patterns.auth.settings import AuthSettings
from flask_backend_patterns.auth.tokens import KeySet, Tokens, TokenSigner, TokenVerifier
from flask_backend_patterns.cache import NearCache, RedisFeed
from flask_backend_patterns.errors import AppError

SECRET = "k" * 32
CHANNEL = "backend:auth:test"
EVERYBODY = staticmethod(lambda subject: ["customer"])


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events = []

    def _add(self, event, **fields):
        self.events.append((event, fields))

    info = warning = error = _add

    def named(self, event):
        return [fields for name, fields in self.events if name == event]


@dataclass
class Parts:
    client: Any
    outage: Any
    feed: Any
    cache: Any
    keys: Any
    revocations: Any
    store: Any
    verifier: Any
    tokens: Any
    log: Log

    def is_revoked(self, access_token):
        """As the authenticator asks."""
        token = self.verifier.verify(access_token)
        return self.revocations.is_revoked(
            subject=token.subject,
            session_id=token.session_id,
            token_id=token.token_id,
            issued_at=token.issued_at,
        )

    def refresh(self, refresh_token, roles=("customer",), **options):
        return self.tokens.refresh(refresh_token, roles_of=lambda _: roles, **options)

    def outcome(self, refresh_token):
        """The new refresh token, or the code of the refusal."""
        try:
            return self.refresh(refresh_token).refresh_token
        except AppError as error:
            return error.code

    def close(self):
        self.feed.close()
        self.client.close()


def build(url, *, clock=None, key=None, max_sessions=100, timeout_seconds=10, **settings):
    """All parts on the Redis at `url`; `clock` takes the place of Redis' own."""
    log = Log()
    auth = AuthSettings(**settings)
    redis_settings = RedisSettings(
        url=url, timeout_seconds=timeout_seconds, connect_timeout_seconds=timeout_seconds
    )
    client = connect(redis_settings)
    outage = RedisOutage(log=log, ping=client.ping)
    feed = RedisFeed(lambda: connect(redis_settings), channel=CHANNEL, log=log, outage=outage)
    cache = NearCache(max_entries=1_000, ttl_seconds=300, feed=feed)
    keys = SessionKeys("test")
    revocations = Revocations(
        reader=RedisRevocationReader(client, outage=outage),
        cache=cache,
        keys=keys,
        access_outage=auth.access_outage,
    )
    store = RedisSessionStore(
        client,
        outage=outage,
        keys=keys,
        lifetimes=Lifetimes.from_settings(auth),
        revocations=revocations,
        log=log,
        channel=CHANNEL,
        max_sessions=max_sessions,
        clock=clock,
    )
    key_set = KeySet.from_config({"JWT_SECRET_KEY": SECRET} if key is None else key, auth, is_lenient=False)
    times = {} if clock is None else {"clock": clock}
    verifier = TokenVerifier(keys=key_set, **times)
    tokens = Tokens(
        settings=auth,
        signer=TokenSigner(keys=key_set),
        verifier=verifier,
        sessions=store,
        revocations=revocations,
        log=log,
        **times,
    )
    return Parts(client, outage, feed, cache, keys, revocations, store, verifier, tokens, log)


def refresh_at_once(parts, token, *, times, threads):
    """What `times` refreshes give that all begin at the same moment."""
    barrier = threading.Barrier(threads)

    def run(_):
        barrier.wait()
        return [parts.outcome(token) for _ in range(times // threads)]

    with ThreadPoolExecutor(threads) as pool:
        return [outcome for part in pool.map(run, range(threads)) for outcome in part]


def serve():
    """Answer commands until the input ends."""
    url, options = sys.argv[1], json.loads(sys.argv[2])
    parts = build(url, **options)
    commands = {
        "is_trusted": lambda: parts.feed.is_trusted,
        "is_revoked": parts.is_revoked,
        "outcome": parts.outcome,
        "issue": lambda subject: parts.tokens.issue(subject, roles=["customer"]).access_token,
        "burst": lambda token, times, threads: refresh_at_once(parts, token, times=times, threads=threads),
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        sys.stdout.write(json.dumps(commands[name](*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
