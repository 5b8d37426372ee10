"""The life of a user's sessions in any order of events, against a model of a few lines."""

from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from flask_backend_patterns.errors import InvalidTokenError

GRACE, REFRESH, SESSION = 10, 100, 250
MOST = 4
MICROSECONDS = 1_000_000


@dataclass
class Login:
    """What the model knows of a session; times in seconds after the start."""

    id: str
    created_at: float
    live: str
    expires_at: float
    used_at: float
    spent: str | None = None
    rotated_at: float = 0.0
    issued: list = field(default_factory=list)  # times of issue of its access tokens, microseconds
    is_ended: bool = False
    was_ended_alive: bool = False


class Sessions(RuleBasedStateMachine):
    """One user on the store of `parts`; each example takes another one."""

    parts = clock = None
    numbers = count()
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.subject = f"user-{next(self.numbers)}"
        self.logins = {}

    def end(self, *logins):
        for login in logins:
            login.was_ended_alive |= login in self.alive()
            login.is_ended = True

    def alive(self):
        return [login for login in self.logins.values() if not login.is_ended and login.expires_at > self.now]

    @property
    def now(self):
        return self.clock.now - 1_800_000_000

    @rule(target=tokens)
    def log_in(self):
        living = self.alive()
        if len(living) == MOST:
            self.end(min(living, key=lambda login: login.used_at))
        self.clock.now += 0.001  # so that the order of last use is one
        grant = self.parts.store.create(subject=self.subject)
        self.logins[grant.session_id] = Login(
            id=grant.session_id,
            created_at=self.now,
            live=grant.token_id,
            expires_at=self.now + REFRESH,
            used_at=self.now,
            issued=[grant.issued_at],
        )
        return grant.session_id, grant.token_id

    @rule(target=tokens, token=tokens)
    def refresh(self, token):
        session_id, token_id = token
        self.clock.now += 0.001
        login = self.logins[session_id]
        is_alive = login in self.alive()
        in_grace = token_id == login.spent and self.now - login.rotated_at < GRACE
        try:
            grant = self.parts.store.rotate(subject=self.subject, session_id=session_id, token_id=token_id)
        except InvalidTokenError:
            assert not is_alive or (token_id != login.live and not in_grace)
            self.end(login)
            return token
        assert is_alive
        assert grant.is_replay == in_grace
        if in_grace:
            assert grant.token_id == login.live
            return token
        assert token_id == login.live
        assert grant.token_id not in {login.live, login.spent}
        login.spent, login.live = login.live, grant.token_id
        login.rotated_at = login.used_at = self.now
        login.expires_at = min(self.now + REFRESH, login.created_at + SESSION)
        login.issued.append(grant.issued_at)
        return session_id, grant.token_id

    @rule(seconds=st.sampled_from([0, 0.000001, 1, GRACE - 0.01, GRACE, 60, REFRESH, SESSION]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule(token=tokens, known_only=st.booleans())
    def log_out(self, token, known_only):
        login = self.logins[token[0]]
        self.parts.store.revoke(subject=self.subject, session_id=login.id, known_only=known_only)
        if not known_only or login in self.alive():
            self.end(login)

    @rule()
    def log_out_everywhere(self):
        ended = self.parts.store.revoke_all(self.subject)
        assert ended >= len(self.alive())
        self.end(*self.logins.values())

    @rule(token=tokens)
    def log_out_of_the_others(self, token):
        self.parts.store.revoke_all(self.subject, keep=token[0])
        self.end(*(login for login in self.logins.values() if login.id != token[0]))

    @invariant()
    def the_list_is_right(self):
        living = sorted(self.alive(), key=lambda login: -login.used_at)
        assert [session.id for session in self.parts.store.list(self.subject)] == [
            login.id for login in living
        ]

    @invariant()
    def access_tokens_follow(self):
        for login in self.logins.values():
            if not login.was_ended_alive and login.expires_at <= self.now:
                continue  # over by itself: so are its access tokens, by their own time
            revoked = {
                self.parts.revocations.is_revoked(
                    subject=self.subject,
                    session_id=login.id,
                    token_id=None,
                    issued_at=issued / MICROSECONDS,
                )
                for issued in login.issued
            }
            assert revoked == {login.was_ended_alive}


def test_any_order_of_events(make_trusted, clock):
    """One live token a family, the grace, both ends, the bound, the list and the revocations agree with the model."""
    parts = make_trusted(
        clock=clock,
        refresh_grace_seconds=GRACE,
        refresh_seconds=REFRESH,
        session_seconds=SESSION,
        max_sessions=MOST,
    )
    run_state_machine_as_test(
        type("Machine", (Sessions,), {"parts": parts, "clock": clock}),
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
