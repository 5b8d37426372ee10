"""What the verifier believes: the form of a token, its claims, its time; and nothing else."""

import base64
import copy
import hashlib
import hmac
import json
import pickle
import string
import threading
from datetime import timedelta

import jwt
import pytest
from flask import jsonify
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_backend_patterns._config import ConfigError
from flask_backend_patterns.auth.settings import AuthSettings
from flask_backend_patterns.auth.tokens import KeySet, TokenRules, TokenSigner, TokenVerifier
from flask_backend_patterns.auth.tokens.token_cache import TokenCache
from flask_backend_patterns.errors import InvalidTokenError

NOW = 1_800_000_000.0
SECRET = "0123456789abcdef" * 4
KEYS = KeySet.from_config({"JWT_SECRET_KEY": SECRET}, AuthSettings(), is_lenient=False)
GOOD = {"sub": "7", "iat": NOW, "exp": NOW + 900}
HEADER = {"alg": "HS256", "typ": "JWT"}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload, header=HEADER):
    """A token with a good signature; texts and bytes are taken as they are."""
    parts = [
        part if isinstance(part, bytes) else (part if isinstance(part, str) else json.dumps(part)).encode()
        for part in (header, payload)
    ]
    message = ".".join(map(b64, parts))
    return f"{message}.{b64(hmac.digest(SECRET.encode(), message.encode(), hashlib.sha256))}"


class Clock:
    def __init__(self, now=NOW + 1):
        self.now = now

    def __call__(self):
        return self.now


def verifier(*, clock=None, cache_entries=100, **rules):
    return TokenVerifier(
        keys=KEYS, rules=TokenRules(**rules), cache_entries=cache_entries, clock=clock or Clock()
    )


def refused(token, code="INVALID_TOKEN", **options):
    with pytest.raises(InvalidTokenError) as caught:
        verifier(**options).verify(token)
    assert (caught.value.status, caught.value.code) == (401, code)
    return caught.value


def test_a_whole_token_says_all_it_has():
    """Every claim that means something here has its field; the rest is in `claims`."""
    said = {
        **GOOD,
        "sid": "s1",
        "jti": "t1",
        "type": "access",
        "roles": ["a", "b"],
        "scope": "read write",
        "extra": {"x": [1]},
    }
    token = verifier().verify(signed(said, {**HEADER, "x5t": "seen and not believed"}))
    assert (token.subject, token.session_id, token.token_id, token.token_type) == ("7", "s1", "t1", "access")
    assert (token.roles, token.scopes) == (("a", "b"), ("read", "write"))
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 900)
    assert token.claims == said


def test_the_least_token_counts():
    """sub, iat and exp are enough: an access token without roles, session and id."""
    token = verifier().verify(signed(GOOD, {"alg": "HS256"}))
    assert (token.roles, token.scopes, token.session_id, token.token_id) == ((), None, None, None)
    assert token.token_type == "access"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_types_of_rfc_7519_and_9068(typ):
    """Compared without case."""
    assert verifier().verify(signed(GOOD, {"alg": "HS256", "typ": typ})).subject == "7"


def test_a_single_role_is_understood():
    """`role` beside `roles` does not count."""
    assert verifier().verify(signed({**GOOD, "role": "admin"})).roles == ("admin",)
    assert verifier().verify(signed({**GOOD, "role": "admin", "roles": ["user"]})).roles == ("user",)


WRONG_CLAIMS = {
    "sub missing": {"sub": ...},
    "sub empty": {"sub": ""},
    "sub null": {"sub": None},
    "sub an integer": {"sub": 7},
    "sub true": {"sub": True},
    "sub a list": {"sub": ["7"]},
    "sub an object": {"sub": {"id": "7"}},
    "exp missing": {"exp": ...},
    "exp null": {"exp": None},
    "exp text": {"exp": str(NOW + 900)},
    "exp true": {"exp": True},
    "exp a list": {"exp": [NOW + 900]},
    "exp negative": {"exp": -1},
    "exp beyond the year 9999": {"exp": 253_402_300_800},
    "exp a huge integer": {"exp": 10**400},
    "exp infinite": {"exp": float("inf")},
    "exp NaN": {"exp": float("nan")},
    "iat missing": {"iat": ...},
    "iat null": {"iat": None},
    "iat text": {"iat": "now"},
    "iat true": {"iat": True},
    "iat negative": {"iat": -0.5},
    "iat far ahead": {"iat": NOW + 3600},
    "iat huge": {"iat": 10**30},
    "nbf ahead": {"nbf": NOW + 60},
    "nbf text": {"nbf": "soon"},
    "nbf null": {"nbf": None},
    "nbf infinite": {"nbf": float("-inf")},
    "type refresh": {"type": "refresh"},
    "type unknown": {"type": "reset"},
    "type empty": {"type": ""},
    "type null": {"type": None},
    "type in capitals": {"type": "ACCESS"},
    "type a number": {"type": 1},
    "type a list": {"type": ["access"]},
    "roles text": {"roles": "admin"},
    "roles an object": {"roles": {"admin": True}},
    "roles of numbers": {"roles": [1]},
    "roles of lists": {"roles": [["admin"]]},
    "roles with null": {"roles": ["user", None]},
    "role a number": {"role": 1},
    "role a list": {"role": ["admin"]},
    "sid a number": {"sid": 1},
    "jti a number": {"jti": 1},
    "scope a list": {"scope": ["read"]},
    "csrf a number": {"csrf": 1},
    "fresh text": {"fresh": "yes"},
    "fresh infinite": {"fresh": float("inf")},
    "iss a list": {"iss": ["a"]},
    "sub with NUL": {"sub": "7\x00"},
    "sub with half a pair": {"sub": "7\ud800"},
    "roles with NUL": {"roles": ["admin\x00"]},
    "a name with half a pair": {"\udfff": 1},
    "half a pair far down": {"x": [{"y": "\ud800"}]},
    "nested too deeply": {"x": json.loads("[" * 20 + "]" * 20)},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_wrong_claims_are_refused(changes):
    """Well signed, and still a 401: nothing is guessed from claims of another kind."""
    claims = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    refused(signed(claims))


WRONG_HEADERS = {
    "no alg": {"typ": "JWT"},
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "NONE": {"alg": "NONE"},
    "empty alg": {"alg": ""},
    "alg null": {"alg": None},
    "alg a list": {"alg": ["HS256"]},
    "alg in small letters": {"alg": "hs256"},
    "alg with a space": {"alg": "HS256 "},
    "another hash": {"alg": "HS512"},
    "typ unknown": {"alg": "HS256", "typ": "JOSE"},
    "typ a number": {"alg": "HS256", "typ": 1},
    "typ null": {"alg": "HS256", "typ": None},
    "kid not known": {"alg": "HS256", "kid": "x"},
    "kid null": {"alg": "HS256", "kid": None},
    "crit": {"alg": "HS256", "crit": ["exp"]},
    "crit empty": {"alg": "HS256", "crit": []},
    "b64 false": {"alg": "HS256", "b64": False, "crit": ["b64"]},
    "jku": {"alg": "HS256", "jku": "https://evil.example/jwks.json"},
    "jwk": {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}},
    "x5u": {"alg": "HS256", "x5u": "https://evil.example/x.pem"},
    "x5c": {"alg": "HS256", "x5c": ["AA"]},
    "zip": {"alg": "HS256", "zip": "DEF"},
    "enc": {"alg": "HS256", "enc": "A128GCM"},
    "NUL": {"alg": "HS256", "x": "\x00"},
    "not an object": [],
    "text": "HS256",
    "a number": "7",
    "two algs": '{"alg": "none", "alg": "HS256"}',
    "NaN": '{"alg": "HS256", "x": NaN}',
    "deep": '{"alg": "HS256", "x": ' + "[" * 2000 + "]" * 2000 + "}",
    "a byte order mark": "\ufeff" + json.dumps(HEADER),
    "latin-1": b'{"alg": "HS256", "x": "\xe9"}',
    "utf-16": json.dumps(HEADER).encode("utf-16"),
    "empty": "",
}


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_wrong_headers_are_refused(header):
    """However well the rest is signed."""
    refused(signed(GOOD, header))


WRONG_PAYLOADS = {
    "a list": [GOOD],
    "text": '"sub"',
    "null": "null",
    "nothing": " ",
    "cut": json.dumps(GOOD)[:-1],
    "two values": json.dumps(GOOD) + "{}",
    "doubled sub": '{"sub": "1", "sub": "7", "iat": 1800000000, "exp": 1800000900}',
    "doubled sub, spelled apart": '{"sub": "1", "s\\u0075b": "7", "iat": 1800000000, "exp": 1800000900}',
    "doubled far down": '{"sub": "7", "iat": 1800000000, "exp": 1800000900, "x": [{"y": 1, "y": 2}]}',
    "NaN": '{"sub": "7", "iat": 1800000000, "exp": NaN}',
    "Infinity": '{"sub": "7", "iat": 1800000000, "exp": Infinity}',
    "too big for a float": '{"sub": "7", "iat": 1800000000, "exp": 1e999}',
    "too many digits": '{"sub": "7", "iat": 1800000000, "exp": ' + "9" * 5000 + "}",
    "deep": '{"x": ' + '{"x": ' * 900 + "1" + "}" * 901,
    "raw control character": '{"sub": "7\t", "iat": 1800000000, "exp": 1800000900}',
    "latin-1": b'{"sub": "\xe9", "iat": 1800000000, "exp": 1800000900}',
    "utf-16": json.dumps(GOOD).encode("utf-16"),
    "utf-8 surrogates": b'{"sub": "\xed\xa0\x80", "iat": 1800000000, "exp": 1800000900}',
    "single quotes": str(GOOD),
}


@pytest.mark.parametrize("payload", WRONG_PAYLOADS.values(), ids=WRONG_PAYLOADS)
def test_wrong_payloads_are_refused(payload):
    """One object of JSON in UTF-8, each name once: what two readers might read differently counts for neither."""
    refused(signed(payload))


def wrong_texts():
    token = signed(GOOD)
    header, payload, signature = token.split(".")
    last = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    other_bits = signature[:-1] + last[last.index(signature[-1]) + 1]
    yield from ("", ".", "..", "...", "a", "a.b", header, f"{header}.{payload}", f"{header}.{payload}.")
    yield from (f".{payload}.{signature}", f"{header}..{signature}", f"{token}.{signature}", f"{token}.")
    yield from (
        f"{token}=",
        f"{header}=.{payload}.{signature}",
        f" {token}",
        f"{token}\n",
        f"{token} ",
        f"{token}\x00",
    )
    yield from (token.replace(".", "\n", 1), token.replace(".", "%2E"), f"{token},{token}", f"Bearer {token}")
    yield from (token[:-1], token[1:], other_bits and f"{header}.{payload}.{other_bits}", token.swapcase())
    yield from (
        f"{header}.{payload}.{signature}é",
        f"{header[:-1]}\uff45.{payload}.{signature}",
        "é.é.é",
        "\ud800.a.b",
    )
    yield f"{header}.{payload}+.{signature}"
    yield f"{header}/.{payload}.{signature}"
    yield f"{header}.{payload}.{signature}.{header}.{payload}"  # JWE
    yield f"{header}.{payload}.{'A' * 43}"
    yield f"{header}.{b64(json.dumps(GOOD | {'sub': '8'}).encode())}.{signature}"


@pytest.mark.parametrize("text", list(wrong_texts()))
def test_wrong_texts_are_refused(text):
    """Exactly three parts of canonical base64url, and the signature over just these."""
    refused(text)


@pytest.mark.parametrize("thing", [None, 7, b"a.b.c", ["a"], {"a": 1}, object()])
def test_what_is_no_text_is_refused(thing):
    """Not even bytes: one text for a token."""
    refused(thing)


def test_text_of_a_subclass_is_refused():
    """A string that hashes or compares in its own way must not reach the cache."""

    class Text(str):
        __slots__ = ()

    refused(Text(signed(GOOD)))


def test_a_token_that_is_too_long_is_refused_unread():
    """Exactly BACKEND_AUTH_MAX_TOKEN_BYTES is fine, one more is not."""
    token = signed(GOOD)
    assert verifier(max_token_bytes=len(token)).verify(token)
    refused(token, max_token_bytes=len(token) - 1)
    refused("a." * 10_000_000)


def test_time_is_looked_at_each_time():
    """A remembered token expires to the second, and one that is not valid yet becomes so; the leeway counts."""
    clock = Clock()
    for leeway in (0.0, 30.0):
        verify = verifier(clock=clock, leeway_seconds=leeway).verify
        token = signed({**GOOD, "nbf": NOW + 10})
        steps = [(9.9 - leeway, "INVALID_TOKEN"), (10 - leeway, None), (899.9 + leeway, None)]
        for seconds, code in (*steps, (900 + leeway, "TOKEN_EXPIRED"), (10, None), (10_000, "TOKEN_EXPIRED")):
            clock.now = NOW + seconds
            if code is None:
                assert verify(token).subject == "7"
            else:
                with pytest.raises(InvalidTokenError) as caught:
                    verify(token)
                assert caught.value.code == code


def test_a_clock_ahead_by_a_minute_is_no_fault():
    """Redis dates tokens, and its clock may be ahead; beyond a minute the token is refused until then."""
    token = signed({**GOOD, "iat": NOW + 61})
    assert verifier(clock=Clock(NOW + 1)).verify(token).issued_at == NOW + 61
    refused(token, clock=Clock(NOW + 0.9))


def test_another_type_is_asked_for():
    """Access and refresh are never taken for each other, remembered or not; None takes both, and nothing else."""
    access, refresh, other = (signed({**GOOD, "type": name}) for name in ("access", "refresh", "reset"))
    verify = verifier().verify
    for _ in range(2):
        assert verify(refresh, token_type="refresh").token_type == "refresh"
        assert verify(access).token_type == "access"
        assert [verify(token, token_type=None).subject for token in (access, refresh)] == ["7", "7"]
        for token, wanted in (
            (access, "refresh"),
            (refresh, "access"),
            (other, None),
            (signed(GOOD), "refresh"),
        ):
            with pytest.raises(InvalidTokenError):
                verify(token, token_type=wanted)
    refused(signed({**GOOD, "type": "refresh"}, {"alg": "HS256", "typ": "at+jwt"}))


def test_expired_tokens_can_be_read_for_logging_out():
    """Only when asked for, and only if all else holds."""
    clock = Clock(NOW + 10_000)
    assert verifier(clock=clock).verify(signed(GOOD), allow_expired=True).subject == "7"
    with pytest.raises(InvalidTokenError):
        verifier(clock=clock).verify(signed(GOOD)[:-2] + "AA", allow_expired=True)


def test_issuer_and_audience():
    """Demanded ones have to be there; without a demand any will do."""
    rules = {"issuers": frozenset({"a", "b"}), "audiences": frozenset({"x", "y"})}
    for iss, aud in (("a", "x"), ("b", ["z", "y"])):
        assert verifier(**rules).verify(signed({**GOOD, "iss": iss, "aud": aud}))
    for iss, aud in (
        ("c", "x"),
        (None, "x"),
        ("A", "x"),
        ("a", "z"),
        ("a", []),
        ("a", None),
        ("a", ["x", 1]),
    ):
        refused(signed({**GOOD, "iss": iss, "aud": aud}), **rules)
    refused(signed(GOOD), **rules)
    refused(signed({**GOOD, "iss": "a", "aud": {"x": 1}}), **rules)
    assert verifier().verify(signed({**GOOD, "iss": "c", "aud": "z"}))


def test_the_identity_claim_of_flask_jwt_extended():
    """JWT_IDENTITY_CLAIM names the subject; the signer writes it too."""
    rules = {"identity_claim": "identity"}
    assert verifier(**rules).verify(signed({**GOOD, "identity": "9"})).subject == "9"
    refused(signed(GOOD), **rules)
    refused(signed({**GOOD, "identity": 9}), **rules)
    token = TokenSigner(keys=KEYS, rules=TokenRules(**rules)).sign(GOOD)
    assert verifier(**rules).verify(token).claims["identity"] == "7"


def test_integers_where_the_app_says_so():
    """JWT_VERIFY_SUB = False: an integer `sub` becomes text; other kinds stay refused."""
    token = verifier(accepts_integer_subject=True).verify(signed({**GOOD, "sub": 7}))
    assert (token.subject, token.claims["sub"]) == ("7", 7)
    for wrong in (True, 7.0, None, [7]):
        refused(signed({**GOOD, "sub": wrong}), accepts_integer_subject=True)


def test_everlasting_tokens_where_the_app_says_so():
    """JWT_ACCESS_TOKEN_EXPIRES = False: `exp` may be missing for that type alone."""
    claims = {"sub": "7", "iat": NOW}
    rules = {"everlasting": frozenset({"access"}), "clock": Clock(NOW * 2)}
    assert verifier(**rules).verify(signed(claims)).expires_at == float("inf")
    refused(signed({**claims, "exp": NOW}), "TOKEN_EXPIRED", **rules)
    with pytest.raises(InvalidTokenError):
        verifier(**rules).verify(signed({**claims, "type": "refresh"}), token_type="refresh")


def test_the_challenge_has_the_word_of_the_app():
    """`Token error="invalid_token"`, and no reason in the message: that is in the cause, for the log."""
    error = refused(signed({**GOOD, "sub": 7}), scheme="Token")
    assert error.headers["WWW-Authenticate"] == 'Token error="invalid_token"'
    assert error.message == "The token is invalid."
    assert "sub" in str(error.__cause__)


def test_claims_are_shared_and_refuse_to_change():
    """A view that changes what it got cannot raise its caller's next request; copies are plain."""
    verify = verifier().verify
    text = signed({**GOOD, "roles": ["user"], "x": {"y": [1]}})
    claims = verify(text).claims
    for change in (
        lambda: claims.update(sub="8"),
        lambda: claims.__setitem__("sub", "8"),
        lambda: claims.setdefault("new", 1),
        lambda: claims.pop("sub"),
        lambda: claims["roles"].append("admin"),
        lambda: claims["roles"].extend(["admin"]),
        lambda: claims["roles"].__iadd__(["admin"]),
        claims["x"]["y"].clear,
        lambda: claims["x"].__ior__({"z": 1}),
        lambda: claims["x"].__delitem__("y"),
    ):
        with pytest.raises(TypeError, match="copy"):
            change()
    for plain in (copy.deepcopy(claims), pickle.loads(pickle.dumps(claims))):
        plain["roles"].append("admin")
        plain["x"]["y"].append(2)
        assert type(plain) is dict
    assert verify(text).claims == {**GOOD, "roles": ["user"], "x": {"y": [1]}}


def test_claims_can_be_answered_as_json(app_context):
    """They are dicts and lists for `jsonify`."""
    claims = verifier().verify(signed({**GOOD, "roles": ["user"], "x": {"y": [1]}})).claims
    assert jsonify(claims).json == claims


@pytest.fixture
def app_context():
    from flask import Flask

    with Flask("claims").app_context():
        yield


def test_pyjwt_and_we_agree():
    """Tokens made by each are read by the other."""
    ours = TokenSigner(keys=KEYS).sign({**GOOD, "exp": 4_000_000_000, "iat": 1, "name": "Zoë 🦊"})
    assert jwt.decode(ours, SECRET, algorithms=["HS256"])["name"] == "Zoë 🦊"
    theirs = jwt.encode({**GOOD, "name": "Zoë 🦊"}, SECRET)
    assert verifier().verify(theirs).claims["name"] == "Zoë 🦊"


@pytest.mark.parametrize("wrong", [{"x": object()}, {"x": {1, 2}}, {1: 2}, {"x": 2**70}, {"x": "\ud800"}])
def test_the_signer_refuses_what_is_not_json(wrong):
    """A ValueError that does not show the value."""
    with pytest.raises(ValueError, match="not JSON"):
        TokenSigner(keys=KEYS).sign({**GOOD, **wrong})


def test_the_signer_refuses_what_the_verifier_would():
    """A token longer than the verifier takes is not made."""
    rules = TokenRules(max_token_bytes=1000)
    with pytest.raises(ValueError, match="BACKEND_AUTH_MAX_TOKEN_BYTES"):
        TokenSigner(keys=KEYS, rules=rules).sign({**GOOD, "x": "x" * 1000})


def test_the_signer_adds_issuer_and_audience_and_nothing_else():
    """JWT_ENCODE_ISSUER and JWT_ENCODE_AUDIENCE; what the caller says goes first."""
    signer = TokenSigner(keys=KEYS, rules=TokenRules(issuer="me", audience=("a", "b")))
    assert jwt.decode(signer.sign({"x": 1}), options={"verify_signature": False}) == {
        "x": 1,
        "iss": "me",
        "aud": ["a", "b"],
    }
    assert jwt.decode(signer.sign({"iss": "you"}), options={"verify_signature": False})["iss"] == "you"


def test_rules_are_read_from_the_keys_of_flask_jwt_extended():
    """Strings, lists, timedeltas and numbers as that package takes them."""
    config = {
        "JWT_DECODE_ISSUER": ["a", "b"],
        "JWT_DECODE_AUDIENCE": "x",
        "JWT_ENCODE_ISSUER": "a",
        "JWT_ENCODE_AUDIENCE": ["x"],
        "JWT_DECODE_LEEWAY": timedelta(seconds=5),
        "JWT_ACCESS_TOKEN_EXPIRES": False,
        "JWT_HEADER_TYPE": "Token",
    }
    rules = TokenRules.from_config(config, AuthSettings(max_token_bytes=300))
    assert (rules.issuers, rules.audiences) == ({"a", "b"}, {"x"})
    assert (rules.issuer, rules.audience, rules.leeway_seconds) == ("a", "x", 5.0)
    assert (rules.everlasting, rules.scheme, rules.max_token_bytes) == ({"access"}, "Token", 300)
    assert TokenRules.from_config({}, AuthSettings()) == TokenRules()


@pytest.mark.parametrize(
    "config",
    [
        {"JWT_DECODE_LEEWAY": -1},
        {"JWT_DECODE_LEEWAY": "10"},
        {"JWT_DECODE_LEEWAY": True},
        {"JWT_DECODE_LEEWAY": float("nan")},
        {"JWT_DECODE_LEEWAY": 4000},
        {"JWT_DECODE_ISSUER": 7},
        {"JWT_DECODE_AUDIENCE": []},
        {"JWT_ENCODE_ISSUER": [1]},
    ],
)
def test_wrong_rules_are_said(config):
    """By the name of the key."""
    with pytest.raises(ConfigError, match=next(iter(config))):
        TokenRules.from_config(config, AuthSettings())


# --- The cache --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 10])
def test_the_cache_stays_within_its_bound(limit):
    """Whatever comes; what is asked for all the time stays, where there is room for two."""
    cache = TokenCache(limit)
    for index in range(1_000):
        cache.put(str(index), index)
        assert len(cache) <= limit
        if limit > 3 and index:
            cache.get("0")
    assert cache.get("0") == (0 if limit > 3 else None)
    cache.discard("0")
    assert cache.get("0") is None


def test_the_cache_bears_threads():
    """8 threads, 40,000 steps: never over the bound, never another token's answer."""
    cache = TokenCache(50)
    wrong = []

    def work(seed):
        for step in range(5_000):
            key = str((step * 7 + seed * 13) % 200)
            found = cache.get(key)
            if found not in (None, key) or len(cache) > 50:
                wrong.append((key, found))
            cache.put(key, key)
            if step % 50 == 0:
                cache.discard(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_only_tokens_that_hold_are_remembered():
    """A flood of forged tokens does not push the good ones out."""
    checker = verifier(cache_entries=4)
    good = checker.verify(signed(GOOD))
    for index in range(100):
        with pytest.raises(InvalidTokenError):
            checker.verify(signed({**GOOD, "sub": index}))
    assert checker.verify(signed(GOOD)) is good


def test_without_a_cache_each_token_is_verified_again():
    """BACKEND_AUTH_TOKEN_CACHE_ENTRIES = 0."""
    checker = verifier(cache_entries=0)
    assert checker.verify(signed(GOOD)) is not checker.verify(signed(GOOD))


# --- Anything at all ----------------------------------------------------------------------------------------------

FUZZED = verifier()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = [
    "sub",
    "iat",
    "exp",
    "nbf",
    "roles",
    "role",
    "scope",
    "type",
    "sid",
    "jti",
    "iss",
    "aud",
    "fresh",
    "csrf",
]


def only_refused(token):
    """Whether it is believed; anything but that and a 401 fails the test."""
    try:
        FUZZED.verify(token)
    except InvalidTokenError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){0,5}")))
def test_any_text_is_refused(token):
    """Whatever a client sends is a 401."""
    assert not only_refused(token)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_of_a_good_token_is_refused(data):
    """One character put in, taken out or replaced."""
    token = signed(GOOD)
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="utf-8") | st.sampled_from(string.ascii_letters + "-_."))
    changed = data.draw(
        st.sampled_from(
            [
                token[:at] + character + token[at:],
                token[:at] + token[at + 1 :],
                token[:at] + character + token[at + 1 :],
            ]
        )
    )
    assert only_refused(changed) == (changed == token)


@settings(max_examples=100, deadline=None)
@given(JSON | st.dictionaries(st.sampled_from(NAMES), JSON), JSON | st.just(HEADER))
def test_any_json_that_is_well_signed_is_read_or_refused(payload, header):
    """Whatever a holder of the key signs: believed or a 401, never a fault of ours."""
    only_refused(signed(json.dumps(payload), json.dumps(header)))
    if isinstance(payload, dict):
        only_refused(signed(json.dumps(GOOD | payload)))


@settings(max_examples=100, deadline=None)
@given(st.binary(), st.binary())
def test_any_bytes_that_are_well_signed_are_refused(payload, header):
    """Neither part has to be JSON, or text."""
    assert not only_refused(signed(payload))
    assert not only_refused(signed(payload, header))
