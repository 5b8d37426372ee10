"""Callers who show a token: where it may be, what the actor knows, what revocation and scopes do."""

import pytest
from flask import Flask

from flask_backend_patterns._config import ConfigError
from flask_backend_patterns.auth.permissions import Permissions
from flask_backend_patterns.auth.settings import AuthSettings
from flask_backend_patterns.auth.tokens import (
    JWTAuthenticator,
    KeySet,
    TokenPlaces,
    TokenRules,
    TokenSigner,
    TokenVerifier,
)
from flask_backend_patterns.errors import ForbiddenError, InvalidTokenError, ServiceUnavailableError

NOW = 1_800_000_000.0
KEYS = KeySet.from_config({"JWT_SECRET_KEY": "0123456789abcdef" * 4}, AuthSettings(), is_lenient=False)
APP = Flask("authenticator")
GRANTS = {"customer": ["orders:read:own"], "admin": ["*"]}


def permissions_of(roles, scopes):
    found = Permissions.parse([grant for role in roles for grant in GRANTS.get(role, ())])
    return found if scopes is None else found.narrowed(scopes)


def make(config=None, *, scheme=None, **options):
    settings = AuthSettings(scheme=scheme)
    verifier = TokenVerifier(
        keys=KEYS, rules=TokenRules.from_config(config or {}, settings), clock=lambda: NOW + 1
    )
    places = TokenPlaces.from_config(config or {}, settings)
    return JWTAuthenticator(verifier=verifier, permissions_of=permissions_of, places=places, **options)


def token(**claims):
    return TokenSigner(keys=KEYS).sign({"sub": "7", "iat": NOW, "exp": NOW + 900, "csrf": "c1"} | claims)


def actor(authenticator, **request):
    with APP.test_request_context(**request):
        return authenticator.authenticate()


def header(value, name="Authorization"):
    return {"headers": {name: value}}


def refused(authenticator, **request):
    with pytest.raises(InvalidTokenError) as caught:
        actor(authenticator, **request)
    return caught.value


def refused_csrf(authenticator, **request):
    with pytest.raises(ForbiddenError) as caught:
        actor(authenticator, **request)
    assert caught.value.code == "CSRF_FAILED"
    return caught.value


def test_the_actor_knows_what_the_token_says():
    """Id, roles, permissions, claims, session, the token's id, and how it came."""
    found = actor(make(), **header(f"Bearer {token(roles=['customer'], sid='s1', jti='t1')}"))
    assert (found.id, found.roles, found.method) == ("7", ("customer",), "jwt")
    assert (found.session_id, found.credential_id, found.scopes) == ("s1", "t1", None)
    assert list(found.permissions) == ["orders:read:own"]
    assert found.claims["csrf"] == "c1"
    assert "c1" not in repr(found)


def test_roles_are_expanded_and_scopes_narrow():
    """Inherited roles count; a `scope` never widens, and who may do less than a role is not one of them."""
    authenticator = make(expand_roles=lambda roles: (*roles, "heir") if roles else ())
    assert actor(authenticator, **header(f"Bearer {token(roles=['admin'])}")).roles == ("admin", "heir")
    found = actor(authenticator, **header(f"Bearer {token(roles=['admin'], scope='orders:read items:read')}"))
    assert found.roles == ()
    assert found.scopes == ("orders:read", "items:read")
    assert sorted(found.permissions) == ["items:read", "orders:read"]
    nothing = actor(authenticator, **header(f"Bearer {token(roles=['admin'], scope='')}"))
    assert list(nothing.permissions) == []


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "Basic dXNlcjpwYXNz",
            "Digest username=a, realm=b, uri=c",
            "Bearerx abc",
            "Negotiate",
            "ApiKey k",
        ),
        *("Basic bearer", "Bearer_ x", "null"),
    ],
)
def test_other_credentials_are_none_of_ours(value):
    """Another scheme is for another authenticator, or nobody."""
    assert actor(make(), **header(value)) is None


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Bearer",
            "Bearer ",
            "bearer",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer ,",
            "Bearer\ta",
        ),
        *(
            "Basic a, Bearer b",
            "Basic a,bearer b",
            "Bearer é",
            "Bearer \x00",
            'Bearer token="a"',
            "Bearer a.b.c;x",
        ),
    ],
)
def test_our_scheme_with_anything_but_one_token_is_refused(value):
    """Also where one of several credentials is ours: it is not clear which counts."""
    if value == "Bearer\ta":  # one word with a tab in it: another scheme
        assert actor(make(), **header(value)) is None
    else:
        assert refused(make(), **header(value)).code == "INVALID_TOKEN"


def test_the_word_of_the_app():
    """BACKEND_AUTH_SCHEME goes before JWT_HEADER_TYPE; `Bearer` is another scheme then."""
    for authenticator in (
        make({"JWT_HEADER_TYPE": "Token"}),
        make({"JWT_HEADER_TYPE": "JWT"}, scheme="Token"),
    ):
        assert authenticator.challenge == "Token"
        assert actor(authenticator, **header(f"token {token()}")).id == "7"
        assert actor(authenticator, **header(f"Bearer {token()}")) is None
        error = refused(authenticator, **header("Token x"))
        assert error.headers["WWW-Authenticate"] == 'Token error="invalid_token"'


def test_a_bare_token():
    """JWT_HEADER_TYPE = "": the header holds nothing but the token."""
    authenticator = make({"JWT_HEADER_TYPE": "", "JWT_HEADER_NAME": "X-Token"})
    assert actor(authenticator, **header(token(), "X-Token")).id == "7"
    assert actor(authenticator, **header(f"Bearer {token()}", "X-Token")) is None
    assert actor(authenticator, **header(token())) is None
    for value in ("x", f"{token()},{token()}"):
        assert refused(authenticator, **header(value, "X-Token")).code == "INVALID_TOKEN"


def test_cookies_only_where_the_app_wants_them():
    """JWT_TOKEN_LOCATION decides, and its order; the query string is never looked at."""
    cookie = {"headers": {"Cookie": f"access_token_cookie={token(sub='8')}"}}
    both = {"headers": {**cookie["headers"], "Authorization": f"Bearer {token()}"}}
    assert actor(make(), **cookie) is None
    assert actor(make({"JWT_TOKEN_LOCATION": "cookies"}), **cookie).method == "cookie"
    assert actor(make({"JWT_TOKEN_LOCATION": "cookies"}), **header(f"Bearer {token()}")) is None
    assert actor(make({"JWT_TOKEN_LOCATION": ["headers", "cookies"]}), **both).id == "7"
    assert actor(make({"JWT_TOKEN_LOCATION": ["cookies", "headers"]}), **both).id == "8"
    everywhere = make({"JWT_TOKEN_LOCATION": ["query_string", "json"]})
    assert actor(everywhere, query_string={"jwt": token()}, **both) is None
    assert everywhere.challenge is None
    assert everywhere.security_schemes == {}


COOKIES = {"JWT_TOKEN_LOCATION": ["cookies"]}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_csrf_by_double_submit(method):
    """Methods that change something need the claim `csrf` again in a header, or it is a 403; others do not."""
    cookie = {"Cookie": f"access_token_cookie={token()}"}
    sent = {"method": method, "headers": cookie | {"X-CSRF-TOKEN": "c1"}}
    assert actor(make(COOKIES), **sent).id == "7"
    if method in {"GET", "HEAD", "OPTIONS"}:
        assert actor(make(COOKIES), method=method, headers=cookie).id == "7"
        return
    for value in (None, "", "c2", "C1", "c1 c1", "ç", "\udce9"):
        headers = cookie if value is None else cookie | {"X-CSRF-TOKEN": value}
        if value == "\udce9":
            continue  # no header can hold it; the form can, below
        assert "X-CSRF-TOKEN" in refused_csrf(make(COOKIES), method=method, headers=headers).message
    bare = {"Cookie": f"access_token_cookie={token(csrf=None)}", "X-CSRF-TOKEN": "c1"}
    refused_csrf(make(COOKIES), method=method, headers=bare)
    empty = {"Cookie": f"access_token_cookie={token(csrf='')}", "X-CSRF-TOKEN": ""}
    refused_csrf(make(COOKIES), method=method, headers=empty)


def test_csrf_as_the_app_has_it():
    """Another cookie, header, methods, a form field, or no protection at all."""
    config = COOKIES | {
        "JWT_ACCESS_COOKIE_NAME": "jar",
        "JWT_ACCESS_CSRF_HEADER_NAME": "X-Twice",
        "JWT_CSRF_METHODS": ["GET"],
        "JWT_CSRF_CHECK_FORM": True,
    }
    cookie = {"Cookie": f"jar={token()}"}
    assert actor(make(config), headers=cookie | {"X-Twice": "c1"}).id == "7"
    refused_csrf(make(config), headers=cookie)
    assert actor(make(config), method="POST", headers=cookie).id == "7"
    form = COOKIES | {"JWT_CSRF_CHECK_FORM": True}
    cookie = {"Cookie": f"access_token_cookie={token()}"}
    assert actor(make(form), method="POST", headers=cookie, data={"csrf_token": "c1"}).id == "7"
    refused_csrf(
        make(form),
        method="POST",
        headers=cookie,
        data={"csrf_token": "\udce9".encode("utf-8", "surrogatepass")},
    )
    refused_csrf(make(COOKIES), method="POST", headers=cookie, data={"csrf_token": "c1"})
    one = COOKIES | {"JWT_CSRF_METHODS": "POST"}
    refused_csrf(make(one), method="POST", headers=cookie)
    assert actor(make(one), method="PUT", headers=cookie).id == "7"
    off = COOKIES | {"JWT_COOKIE_CSRF_PROTECT": False}
    assert actor(make(off), method="POST", headers=cookie).id == "7"


class Revoked:
    """A revocation list that knows what it is told."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def is_revoked(self, *, subject, session_id, token_id, issued_at):
        self.asked.append((subject, session_id, token_id, issued_at))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_revocation_is_asked_each_time():
    """With what the token says; a revoked one is a 401 TOKEN_REVOKED; not knowing is a 503 where it was decided so."""
    sent = header(f"Bearer {token(sid='s1', jti='t1')}")
    revocations = Revoked(answer=False)
    authenticator = make(revocations=revocations)
    assert [actor(authenticator, **sent).id for _ in range(2)] == ["7", "7"]
    assert revocations.asked == [("7", "s1", "t1", NOW)] * 2
    revocations.answer = True
    assert refused(authenticator, **sent).code == "TOKEN_REVOKED"
    revocations.answer = ServiceUnavailableError()
    with pytest.raises(ServiceUnavailableError):
        actor(authenticator, **sent)


def test_forged_tokens_are_not_looked_up():
    """No round trip for who cannot even sign."""
    revocations = Revoked(answer=False)
    refused(make(revocations=revocations), **header(f"Bearer {token()[:-3]}abc"))
    assert revocations.asked == []


def test_security_schemes():
    """As OpenAPI says it, by place."""
    both = make({"JWT_TOKEN_LOCATION": ["headers", "cookies"]})
    assert both.security_schemes == {
        "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "jwtCookie": {"type": "apiKey", "in": "cookie", "name": "access_token_cookie"},
    }
    other = make({"JWT_HEADER_NAME": "X-Token", "JWT_HEADER_TYPE": ""})
    assert other.security_schemes == {"jwt": {"type": "apiKey", "in": "header", "name": "X-Token"}}
    assert other.challenge == "Bearer"


@pytest.mark.parametrize("word", ["two words", 'Bea"rer', "a,b", "é", "a\n"])
def test_a_scheme_is_one_word(word):
    """It goes into a header of every refusal."""
    with pytest.raises(ConfigError, match="one word"):
        make({"JWT_HEADER_TYPE": word})
