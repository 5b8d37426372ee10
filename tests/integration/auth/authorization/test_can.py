"""`can` and `scope_for` of a real app, asked from views and from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_backend_patterns import BackendPatterns, SetupError, can, current_actor, policy, scope_for
from flask_backend_patterns.auth.identity import ANONYMOUS, Actor
from flask_backend_patterns.auth.permissions import Permissions


class Base(DeclarativeBase):
    pass


class Parcel(Base):
    __tablename__ = "parcels"
    __owner__ = "user_id"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None]


@dataclass
class Letter:
    """Not a mapped class, and nobody's."""

    __owner__ = None
    user_id: int


SEEN = []


def watching():
    @policy("parcels:send")
    def watched(actor, resource, context):
        SEEN.append((actor.id, resource, context))
        return context.extra.get("weight", 0) <= 10

    @watched.criterion
    def watched(_actor, model, context):
        return model.id <= context.extra.get("up_to", 5)

    return watched


@pytest.fixture
def app():
    SEEN.clear()
    app = Flask("post")
    app.config.update(TESTING=True, JWT_SECRET_KEY="k" * 32, BACKEND_OBSERVABILITY_ACCESS_LOG=False)
    BackendPatterns(policies=[watching()]).init_app(app)
    return app


SENDER = Actor(id="7", permissions=Permissions.parse(["parcels:send:own", "letters:read:own"]), method="jwt")
MINE, FOREIGN, NOBODYS = Parcel(user_id=7), Parcel(user_id=8), Parcel(user_id=None)


def test_roles_owners_and_policies_all_have_to_agree(app):
    """In an app context, without any request."""
    with app.app_context():
        assert can(SENDER, "parcels:send", MINE)
        assert not can(SENDER, "parcels:send", MINE, extra={"weight": 11})
        assert not any(can(SENDER, "parcels:send", parcel) for parcel in (FOREIGN, NOBODYS, None))
        assert not can(SENDER, "letters:read", Letter(user_id=7))
        assert not can(SENDER, "parcels:lose", MINE)
        assert not can(SENDER, "No Permission", MINE)
        assert not can(ANONYMOUS, "parcels:send", MINE)


def test_policies_see_the_caller_the_thing_and_the_circumstances(app):
    """The address of the request, and none outside of one; they are not asked about what roles forbid."""
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.9"}):
        can(SENDER, "parcels:send", MINE, extra={"weight": 3})
    with app.app_context():
        can(SENDER, "parcels:send", FOREIGN)
        can(SENDER, "parcels:send", MINE)
    assert [(actor_id, parcel) for actor_id, parcel, _ in SEEN] == [("7", MINE)] * 2
    first, second = (context for *_, context in SEEN)
    assert (first.address, first.extra, first.now.tzinfo) == ("192.0.2.9", {"weight": 3}, UTC)
    assert (second.address, second.extra) == (None, {})


def test_scope_for_takes_the_same_circumstances(app):
    """What the criterion is told is what the caller of `scope_for` says."""
    with app.app_context():
        statement = select(Parcel).where(scope_for(SENDER, "parcels:send", Parcel, extra={"up_to": 9}))
    compiled = str(statement.compile(compile_kwargs={"literal_binds": True}))
    assert "parcels.user_id = 7" in compiled
    assert "parcels.id <= 9" in compiled


def test_the_current_actor_can_be_asked_about(app):
    """In a request without credentials it may do nothing, and sees no rows."""
    with app.test_request_context():
        assert not can(current_actor, "parcels:send", MINE)
        assert str(scope_for(current_actor, "parcels:send", Parcel).compile()) in {"false", "0 = 1"}


def test_an_app_without_authentication_says_so():
    """Rather than to say no, or yes."""
    app = Flask("off")
    with app.app_context(), pytest.raises(SetupError, match="has no BackendPatterns"):
        can(SENDER, "parcels:send", MINE)
    app.config.update(BACKEND_AUTH_ENABLED=False)
    BackendPatterns().init_app(app)
    with app.app_context(), pytest.raises(SetupError, match="switched off"):
        scope_for(SENDER, "parcels:send", Parcel)
