"""To count a caller is not to answer it: what everybody gets stays what everybody gets."""

import pytest

from flask_backend_patterns import Blueprint, cached_view, current_actor, public, require_auth
from flask_backend_patterns.limits import rate_limit


def ways_to_limit(make_shop):
    by_decorator, by_default = make_shop(), make_shop(BACKEND_LIMITS_DEFAULT="100/minute")
    return [(by_decorator, rate_limit("100/minute")), (by_default, lambda view: view)]


@pytest.fixture(params=[0, 1], ids=["declared", "default"])
def limited(request, make_shop):
    return ways_to_limit(make_shop)[request.param]


def add(shop, view, path="/x"):
    blueprint = Blueprint(path.strip("/"), path.strip("/"))
    blueprint.get(path)(view)
    shop.app.register_blueprint(blueprint)


@pytest.mark.parametrize("declare", [public(reason="prices"), lambda view: view], ids=["public", "plain"])
def test_a_limited_view_is_cached_for_everybody(limited, declare):
    """`key="actor"` asks who calls in order to count; the view does not."""
    shop, limit = limited
    add(shop, limit(declare(cached_view(60)(lambda: {"fine": True}))))
    first, second = shop.ask(), shop.ask()
    assert "RateLimit" in first.headers
    assert "detail=identity" not in first.headers["Cache-Status"]
    assert second.headers["Cache-Status"].endswith("; hit") or "hit" in second.headers["Cache-Status"]
    assert "private" not in second.headers.get("Cache-Control", "")


@pytest.mark.parametrize("actor", [None, "7"])
def test_a_limit_does_not_make_an_answer_private(limited, actor):
    """Browsers and caches on the way may keep it as without the limit."""
    shop, limit = limited
    add(shop, limit(lambda: {"fine": True}))
    answer = shop.ask(actor=actor)
    assert "RateLimit" in answer.headers
    assert "Cache-Control" not in answer.headers


@pytest.mark.parametrize(
    "asks", [require_auth(optional=True), require_auth, None], ids=["optional", "required", "in the view"]
)
def test_who_asks_who_calls_answers_for_that_caller(limited, asks):
    """Also where the limit has found it out before."""
    shop, limit = limited
    add(shop, limit(asks(lambda: "x") if asks else lambda: current_actor.id))
    assert shop.ask(actor="7").headers["Cache-Control"] == "private, no-cache"


def test_a_cached_view_that_asks_who_calls_is_not_kept(limited):
    """The limit knows it already; the view's own question is what counts."""
    shop, limit = limited
    add(shop, limit(public(reason="prices")(cached_view(60)(lambda: {"who": current_actor.id}))))
    assert [shop.ask(actor=actor).json["who"] for actor in ("7", "8", None)] == ["7", "8", ""]


@pytest.mark.parametrize("is_optional", [False, True])
def test_what_flask_jwt_extended_knows_of_the_token_is_there_for_who_authenticates(limited, is_optional):
    """A limit has read the token before; whoever asks after it finds it on `g`, as without the limit."""
    from flask_jwt_extended import JWTManager, get_jwt_identity

    shop, limit = limited
    JWTManager(shop.app)
    add(shop, limit(require_auth(optional=is_optional)(lambda: str(get_jwt_identity()))))
    assert shop.ask(actor="7").text == "7"
    if is_optional:
        assert shop.ask().text == "None"


def test_a_token_verified_inside_of_a_cached_view_is_seen(limited):
    """`@jwt_required` below the cache is not taken for the limit's own look."""
    from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required

    shop, limit = limited
    JWTManager(shop.app)
    add(shop, limit(cached_view(60)(jwt_required(optional=True)(lambda: {"who": get_jwt_identity()}))))
    assert [shop.ask(actor=actor).json["who"] for actor in ("7", None, "8", None)] == ["7", None, "8", None]
