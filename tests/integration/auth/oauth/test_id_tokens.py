"""ID tokens of a real provider: which count and which do not (OpenID Connect Core, 3.1.3.7)."""

import time

import httpx
import pytest
from joserfc.jwk import RSAKey

from flask_backend_patterns.auth.oauth.refusals import IdTokenError, ProviderAnswerError


def test_who_logged_in_is_told(converse, provider):
    """Issuer, subject and the verified address come from the ID token."""
    identity = converse().finish()
    assert (identity.issuer, identity.subject) == (provider.issuer, "u-1")
    assert (identity.email, identity.is_email_verified) == ("ada@example.org", True)
    assert identity.claims["name"] == "Ada"
    assert "Ada" not in repr(identity)


def test_a_token_signed_by_an_elliptic_curve_key_counts(converse, provider):
    """ES256 beside RS256."""
    provider.order(signature="es256", claims={"at_hash": None})
    assert converse().finish().subject == "u-1"


@pytest.mark.parametrize(
    "signature", ["none", "hs256", "hs256_public_key", "other_key", "other_key_same_id", "short_key"]
)
def test_a_signature_that_is_not_the_provider_s_is_refused(converse, provider, signature):
    """Unsigned, signed by the client secret, by the public key as a secret, by an unpublished key or one of 1024 bits: all refused."""
    provider.order(signature=signature)
    with pytest.raises(IdTokenError):
        converse().finish()


FORGED_CLAIMS = [
    ("another issuer", {"iss": "https://evil.example"}),
    ("issuer with a slash", {"iss": "{issuer}/"}),
    ("issuer is a list", {"iss": ["{issuer}"]}),
    ("no issuer", {"iss": None}),
    ("another audience", {"aud": "other"}),
    ("another audience in a list", {"aud": ["other"]}),
    ("no audience", {"aud": None}),
    ("empty audiences", {"aud": []}),
    ("audience is a number", {"aud": 7}),
    ("audience is an object", {"aud": {"web": 1}}),
    ("another party", {"azp": "other"}),
    ("for somebody else too", {"aud": ["web", "other"], "azp": "web"}),
    ("two audiences and no party", {"aud": ["web", "web"], "azp": None}),
    ("expired", {"exp": 1_000_000_000}),
    ("expires never", {"exp": None}),
    ("expiry is text", {"exp": "tomorrow"}),
    ("expiry is not finite", {"exp": "Infinity"}),
    ("expiry is no number", {"exp": "NaN"}),
    ("expiry is beyond any clock", {"exp": -(10**400)}),
    ("issued at no number", {"iat": "NaN"}),
    ("issued beyond any clock", {"iat": 10**400}),
    ("expiry is true", {"exp": True}),
    ("issued never", {"iat": None}),
    ("issued before the login", {"iat": 1_700_000_000}),
    ("issued in the future", {"iat": 4_000_000_000}),
    ("issued as text", {"iat": "now"}),
    ("not yet valid", {"nbf": 4_000_000_000}),
    ("another nonce", {"nonce": "another"}),
    ("no nonce", {"nonce": None}),
    ("empty nonce", {"nonce": ""}),
    ("nonce is a list", {"nonce": ["x"]}),
    ("another access token's hash", {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
    ("empty hash", {"at_hash": ""}),
    ("hash is a number", {"at_hash": 12}),
    ("hash is an object", {"at_hash": {"a": 1}}),
    ("no subject", {"sub": None}),
    ("empty subject", {"sub": ""}),
    ("subject is a number", {"sub": 7}),
    ("subject is too long", {"sub": "s" * 256}),
    ("subject with a NUL", {"sub": "u-1\0"}),
    ("subject beyond ASCII", {"sub": "ü-1"}),
]


@pytest.mark.parametrize(("fault", "claims"), FORGED_CLAIMS, ids=[fault for fault, _ in FORGED_CLAIMS])
def test_a_wrong_claim_is_refused(converse, provider, fault, claims):
    """Each claim that has to be right is looked at: 401, never a fault of ours."""
    provider.order(claims=_filled(claims, provider.issuer))
    with pytest.raises(IdTokenError) as refused:
        converse().finish()
    assert refused.value.status == 401
    assert provider.issuer not in refused.value.reason  # names of claims, no values


def _filled(claims, issuer):
    def fill(value):
        if isinstance(value, list):
            return [fill(item) for item in value]
        return value.format(issuer=issuer) if isinstance(value, str) else value

    return {name: fill(value) for name, value in claims.items()}


NO_TOKENS = [
    *("", "x", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "....", "\0.\0.\0", "ü.ü.ü"),
    *("e30.e30.e30", "W10.e30.", "bnVsbA.bnVsbA.bnVsbA", "eyJhbGciOltdfQ.e30.AA", "eyJhbGciOm51bGx9.e30.AA"),
    *("[" * 50_000, "WyJb" * 10_000 + ".e30.AA", "A" * 200_000),
    *(None, 7, True, [], {}, ["a.b.c"]),
]


@pytest.mark.parametrize("token", NO_TOKENS, ids=lambda token: repr(token)[:20])
def test_what_is_no_token_is_refused(converse, provider, token):
    """Whatever stands in the place of the ID token: 401."""
    provider.order(id_token=token)
    with pytest.raises(IdTokenError):
        converse().finish()


def test_deeply_nested_claims_are_refused(converse, provider):
    """A signed token that no parser survives is refused like any other."""
    from base64 import urlsafe_b64encode

    payload = urlsafe_b64encode(b"[" * 30_000).decode().rstrip("=")
    header = urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    nested = urlsafe_b64encode(b'{"alg":"RS256","x":' + b"[" * 8_000).decode().rstrip("=")
    for token in (f"{header}.{payload}.AA", f"{nested}.e30.AA"):
        provider.order(id_token=token)
        with pytest.raises(IdTokenError):
            converse().finish()


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"crit": "exp"},
        {"alg_": "x", "kid": None},
        {"kid": "key\0"},
        {"kid": "../../etc/passwd"},
        {"typ": "x" * 30_000},
    ],
    ids=str,
)
def test_a_strange_header_is_refused(converse, provider, header):
    """Critical extensions, no key id among several keys that fit, an unknown one: refused."""
    if header.get("kid", "") is None:
        provider.order(keys=_two_keys(provider))
    provider.order(header=header)
    with pytest.raises(IdTokenError):
        converse().finish()


def _two_keys(provider):
    another = RSAKey.generate_key(2048, {"kid": "b"}).as_dict(private=False)
    return {"keys": [*_published(provider), another]}


def _published(provider):
    return httpx.get(f"{provider.issuer}/jwks", trust_env=False).json()["keys"]


def test_a_token_without_key_id_counts_while_one_key_fits(converse, provider):
    """OpenID Connect Core, 10.1: the id may be left out then."""
    provider.order(header={"kid": None}, keys={"keys": _published(provider)[:1]})
    assert converse().finish().subject == "u-1"


@pytest.mark.parametrize(
    "keys",
    [
        {"keys": []},
        {"keys": [7, None, "x", [], {}]},
        {"keys": [{"kty": "RSA", "kid": "{kid}", "n": "AQAB", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "kid": "{kid}", "n": 7, "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "kid": "{kid}", "n": "ü", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "kid": "{kid}"}]},
        {"keys": [{"kty": "oct", "kid": "{kid}", "k": "AAAA"}]},
        {"keys": [{"kty": ["RSA"], "kid": "{kid}"}]},
    ],
    ids=str,
)
def test_keys_that_cannot_be_used_refuse_every_token(converse, provider, keys):
    """Too short, malformed, symmetric or no keys: the token is refused, nothing breaks."""
    current = _published(provider)[0]["kid"]
    provider.order(keys={"keys": [k | {"kid": current} if isinstance(k, dict) else k for k in keys["keys"]]})
    with pytest.raises(IdTokenError):
        converse().finish()


@pytest.mark.parametrize("answer", [[], {"keys": {}}, {"no": 1}, {"keys": [{}] * 101}], ids=repr)
def test_what_is_no_key_set_is_the_provider_s_fault(converse, provider, answer):
    """502: nobody can log in until the provider publishes keys."""
    import json

    provider.order(answers={"/jwks": {"status": 200, "body": json.dumps(answer)}})
    with pytest.raises(ProviderAnswerError):
        converse().finish()


def test_a_key_for_encryption_signs_nothing(converse, provider):
    """`use: enc` is not for signatures."""
    provider.order(keys={"keys": [key | {"use": "enc"} for key in _published(provider)]})
    with pytest.raises(IdTokenError):
        converse().finish()


def test_trusted_audiences_are_allowed(converse, provider):
    """A token for us and a party that the settings trust counts, if it was made for us."""
    provider.order(claims={"aud": ["web", "other"], "azp": "web"})
    assert converse(trusted_audiences=["other"]).finish().subject == "u-1"


def test_algorithms_can_be_narrowed(converse, provider):
    """What the settings do not list is refused although it is asymmetric."""
    with pytest.raises(IdTokenError):
        converse(algorithms=["ES256"]).finish()


def test_a_minute_of_leeway(converse, provider):
    """Clocks that differ by less than a minute log people in, by more they do not."""
    now = time.time()
    provider.order(claims={"exp": int(now) - 30, "iat": int(now) - 50})
    assert converse().finish().subject == "u-1"
    provider.order(claims={"exp": int(now) - 90, "iat": int(now) - 50})
    with pytest.raises(IdTokenError):
        converse().finish()


def test_a_rotated_key_is_found(make_login, conversation, provider):
    """The provider signs with a new key: it is fetched at once, and the old one no longer counts."""
    login = make_login(provider)
    assert conversation(login).finish().subject == "u-1"
    provider.rotate_keys()
    assert conversation(login).finish().subject == "u-1"
    assert provider.requests()["/jwks"] == 2


def test_unknown_keys_are_looked_for_once_a_minute(make_login, conversation, provider):
    """Tokens with invented key ids do not make us ask the provider again and again."""
    now = [1000.0]
    login = make_login(provider, steady=lambda: now[0])
    conversation(login).finish()
    provider.order(signature="other_key")
    for _ in range(5):
        with pytest.raises(IdTokenError):
            conversation(login).finish()
    assert provider.requests()["/jwks"] == 2
    now[0] += 61
    with pytest.raises(IdTokenError):
        conversation(login).finish()
    assert provider.requests()["/jwks"] == 3


def test_an_address_told_by_userinfo_only(converse, provider):
    """The address may come from the userinfo endpoint (Core, 5.4)."""
    provider.order(userinfo_only=True)
    identity = converse().finish()
    assert (identity.email, identity.is_email_verified) == ("ada@example.org", True)


def test_userinfo_about_somebody_else_is_refused(converse, provider):
    """Core, 5.3.2: the subjects have to be the same."""
    provider.order(userinfo_only=True, userinfo={"sub": "u-2"})
    with pytest.raises(IdTokenError):
        converse().finish()


def test_what_userinfo_tells_replaces_no_claim_of_the_token(converse, provider):
    """Only what the ID token does not say is taken from there; whether the address is verified goes with it."""
    provider.order(
        userinfo_only=True,
        claims={"email_verified": True},
        userinfo={"iss": "https://evil.example", "email": "eve@example.org", "email_verified": None},
    )
    identity = converse().finish()
    assert identity.issuer == provider.issuer == identity.claims["iss"]
    assert (identity.email, identity.is_email_verified) == ("eve@example.org", False)


@pytest.mark.parametrize("told", ["true", 1, "yes", [True], {"x": True}, None, False], ids=repr)
def test_only_a_boolean_verifies_an_address(converse, provider, told):
    """`"true"` and 1 are not true."""
    provider.order(user={"sub": "u-1", "email": "ada@example.org", "email_verified": told})
    assert converse().finish().is_email_verified is False


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@",
        "@x",
        "x@",
        "a b@x.org",
        "a@x.org\n",
        "a@x.org\0",
        "a" * 250 + "@x.org",
        7,
        ["a@x.org"],
        {},
    ],
    ids=lambda email: repr(email)[:20],
)
def test_what_is_no_address_is_none(converse, provider, email):
    """An identity without a usable address, not an error, and never verified."""
    provider.order(user={"sub": "u-1", "email": email, "email_verified": True})
    identity = converse().finish()
    assert (identity.email, identity.is_email_verified) == (None, False)
