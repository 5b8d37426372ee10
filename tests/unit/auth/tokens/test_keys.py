"""The keys of an app: what is read, what is refused, what is shown, and how they change."""

import secrets

import pytest

from flask_backend_patterns._config import ConfigError, SetupError
from flask_backend_patterns.auth.tokens import TokenSigner, TokenVerifier
from flask_backend_patterns.auth.tokens.algorithms import ALGORITHMS
from flask_backend_patterns.auth.tokens.faults import TokenFault
from flask_backend_patterns.errors import InvalidTokenError

NOW = 1_800_000_000.0
SECRET = "0123456789abcdef" * 4
KIND_OF = {
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], "rsa"),
    "ES256": "p256",
    "ES256K": "k256",
    "ES384": "p384",
    "ES512": "p521",
    "EdDSA": "ed25519",
}
SYMMETRIC = [name for name in ALGORITHMS if name.startswith("HS")]
DETERMINISTIC = [*SYMMETRIC, "RS256", "RS384", "RS512", "EdDSA"]


def entry(algorithm, pems, half="private_key"):
    if algorithm in SYMMETRIC:
        return {"algorithm": algorithm, "secret": SECRET}
    return {"algorithm": algorithm, half: pems[KIND_OF[algorithm]][half == "public_key"]}


def verifier(keys):
    return TokenVerifier(keys=keys, clock=lambda: NOW + 1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_signs_what_it_verifies(algorithm, pems, read_keys, claims):
    """A key of every algorithm, named or not, makes tokens that its set believes."""
    named = read_keys(keys={"a": entry(algorithm, pems)})
    assert verifier(named).verify(TokenSigner(keys=named).sign(claims)).subject == "7"
    if algorithm in SYMMETRIC:
        config = {"JWT_ALGORITHM": algorithm, "JWT_SECRET_KEY": SECRET}
    else:
        private, public = pems[KIND_OF[algorithm]]
        config = {"JWT_ALGORITHM": algorithm, "JWT_PRIVATE_KEY": private, "JWT_PUBLIC_KEY": public}
    single = read_keys(config)
    assert verifier(single).verify(TokenSigner(keys=single).sign(claims)).header["alg"] == algorithm


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_determinism_is_as_said(algorithm, pems, read_keys, claims):
    """The same claims give the same token for HMAC, PKCS #1 and EdDSA, and another one for ECDSA and PSS."""
    keys = read_keys(keys={"a": entry(algorithm, pems)})
    signer = TokenSigner(keys=keys)
    first, second = signer.sign(claims), signer.sign(claims)
    assert (first == second) is (algorithm in DETERMINISTIC)
    assert keys.signing.is_deterministic is (algorithm in DETERMINISTIC)
    assert verifier(keys).verify(second).claims == claims


def test_ed448_is_eddsa_too(pems, read_keys, claims):
    """RFC 8037 has two curves."""
    keys = read_keys(keys={"a": {"algorithm": "EdDSA", "private_key": pems["ed448"][0]}})
    assert verifier(keys).verify(TokenSigner(keys=keys).sign(claims)).subject == "7"
    assert keys.jwks()["keys"][0]["crv"] == "Ed448"


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_short_secret_is_refused_outside_of_debug_and_testing(algorithm, least, read_keys):
    """T4: one byte too few is a ConfigError that tells how to make one, and not the secret; lenient takes it."""
    short = secrets.token_hex(least)[: least - 1]
    for config, keys in (
        ({"JWT_ALGORITHM": algorithm, "JWT_SECRET_KEY": short}, None),
        ({}, {"a": {"algorithm": algorithm, "secret": short}}),
    ):
        with pytest.raises(ConfigError) as caught:
            read_keys(config, keys=keys)
        assert f"at least {least}" in str(caught.value)
        assert "token_urlsafe" in str(caught.value)
        assert short not in str(caught.value)
        assert read_keys(config, keys=keys, is_lenient=True).signing.algorithm == algorithm
    assert read_keys({"JWT_ALGORITHM": algorithm, "JWT_SECRET_KEY": short + "x"}).is_configured


def test_bytes_are_counted_not_characters(read_keys):
    """16 letters of two bytes are 32 bytes."""
    assert read_keys({"JWT_SECRET_KEY": "é" * 16}).signing.key == ("é" * 16).encode()


def test_a_small_rsa_key_is_refused_outside_of_debug_and_testing(pems, read_keys):
    """Below 2048 bits, private or public."""
    for half in (0, 1):
        name = ("private_key", "public_key")[half]
        keys = {"a": {"algorithm": "RS256", name: pems["small_rsa"][half]}}
        with pytest.raises(ConfigError, match="1024 bits"):
            read_keys(keys=keys)
        assert read_keys(keys=keys, is_lenient=True).is_configured


def test_a_short_app_secret_is_no_fault_before_tokens_are_used(read_keys):
    """An app that never uses tokens keeps its short SECRET_KEY; the first use says what to do."""
    keys = read_keys({"SECRET_KEY": "short"})
    assert not keys.is_configured
    with pytest.raises(SetupError, match="SECRET_KEY has a secret of 5 bytes"):
        _ = keys.signing
    assert read_keys({"SECRET_KEY": SECRET}).signing.key == SECRET.encode()


def test_nothing_configured_is_said_at_the_first_use(read_keys, claims):
    """Making and verifying both name the key to set; a key set until then is found."""
    config = {}
    keys = read_keys(config)
    with pytest.raises(SetupError, match="JWT_SECRET_KEY"):
        TokenSigner(keys=keys).sign(claims)
    with pytest.raises(SetupError, match="JWT_SECRET_KEY"):
        verifier(keys).verify("a.b.c")
    config["JWT_SECRET_KEY"] = SECRET
    assert verifier(keys).verify(TokenSigner(keys=keys).sign(claims)).subject == "7"


def wrong_configurations(pems):
    """(what is wrong, config, keys, signing key)."""
    rsa_private, rsa_public = pems["rsa"]
    ec_private = pems["p256"][0]
    yield "an algorithm that does not sign", {"JWT_ALGORITHM": "none", "JWT_SECRET_KEY": SECRET}, None, None
    yield "another spelling", {"JWT_ALGORITHM": "hs256", "JWT_SECRET_KEY": SECRET}, None, None
    yield "a PEM for a secret", {"JWT_SECRET_KEY": rsa_public}, None, None
    yield "a secret that is no text", {"JWT_SECRET_KEY": 12345678}, None, None
    yield "a path for a key", {"JWT_ALGORITHM": "RS256", "JWT_PRIVATE_KEY": "/etc/key.pem"}, None, None
    yield "an address", {"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": "https://x.example/key.pem"}, None, None
    yield (
        "halves of two keys",
        {
            "JWT_ALGORITHM": "RS256",
            "JWT_PRIVATE_KEY": rsa_private,
            "JWT_PUBLIC_KEY": pems["other_rsa"][1],
        },
        None,
        None,
    )
    yield (
        "an unknown decode algorithm",
        {"JWT_SECRET_KEY": SECRET, "JWT_DECODE_ALGORITHMS": ["none"]},
        None,
        None,
    )
    yield "a list of keys", {}, [{"algorithm": "HS256", "secret": SECRET}], None
    yield "no entry", {}, {"a": SECRET}, None
    yield "no algorithm", {}, {"a": {"secret": SECRET}}, None
    yield "an algorithm without a hash", {}, {"a": {"algorithm": ["HS256"], "secret": SECRET}}, None
    yield "an empty secret", {}, {"a": {"algorithm": "HS256", "secret": ""}}, None
    yield "a member too many", {}, {"a": {"algorithm": "HS256", "secret": SECRET, "use": "sig"}}, None
    yield "both kinds", {}, {"a": {"algorithm": "HS256", "secret": SECRET, "private_key": rsa_private}}, None
    yield "a secret for RSA", {}, {"a": {"algorithm": "RS256", "secret": SECRET}}, None
    yield "neither half", {}, {"a": {"algorithm": "RS256"}}, None
    yield "the public half as private", {}, {"a": {"algorithm": "RS256", "private_key": rsa_public}}, None
    yield "the private half as public", {}, {"a": {"algorithm": "RS256", "public_key": rsa_private}}, None
    yield "another kind of key", {}, {"a": {"algorithm": "RS256", "private_key": ec_private}}, None
    yield "another curve", {}, {"a": {"algorithm": "ES384", "private_key": ec_private}}, None
    yield "no Edwards curve", {}, {"a": {"algorithm": "EdDSA", "private_key": ec_private}}, None
    yield "broken PEM", {}, {"a": {"algorithm": "RS256", "private_key": rsa_private[:200]}}, None
    yield "an empty id", {}, {"": {"algorithm": "HS256", "secret": SECRET}}, None
    yield "an id of another kind", {}, {7: {"algorithm": "HS256", "secret": SECRET}}, None
    yield "an id with a line break", {}, {"a\nb": {"algorithm": "HS256", "secret": SECRET}}, None
    two = {name: {"algorithm": "HS256", "secret": SECRET} for name in "ab"}
    yield "two that can sign", {}, two, None
    yield "an unknown signing key", {}, two, "c"
    yield "a signing key that cannot", {}, {"a": {"algorithm": "RS256", "public_key": rsa_public}}, "a"
    yield "a signing key that would not be read", {"JWT_DECODE_ALGORITHMS": ["RS256"]}, two, "a"


WRONG = 30


@pytest.mark.parametrize("index", range(WRONG))
def test_what_is_wrong_is_said_without_secrets(index, pems, read_keys):
    """Every fault is a ConfigError; no message holds a secret or a line of a key."""
    found = list(wrong_configurations(pems))
    assert len(found) == WRONG
    name, config, keys, signing_key = found[index]
    with pytest.raises(ConfigError) as caught:
        read_keys(config, keys=keys, signing_key=signing_key)
    text = f"{caught.value!s} {caught.value!r}"
    assert SECRET not in text, name
    lines = [line for pair in pems.values() for pem in pair for line in pem.splitlines()[1:-1]]
    assert not any(line in text for line in lines), name


def test_several_faults_are_told_at_once(read_keys):
    """One round of mending is enough."""
    with pytest.raises(ConfigError) as caught:
        read_keys({"JWT_SECRET_KEY": "short"}, keys={"a": {}, "b": {"algorithm": "HS256", "secret": "short"}})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_repr_shows_a_key(algorithm, pems, read_keys):
    """Neither the set nor its keys."""
    keys = read_keys(keys={"a": entry(algorithm, pems)})
    shown = " ".join(
        map(repr, (keys, keys.signing, keys.find({"alg": algorithm, "kid": "a"}), keys.material))
    )
    assert SECRET not in shown
    assert "BEGIN" not in shown
    assert "PrivateKey" not in shown


def test_a_key_verifies_by_its_own_algorithm_alone(pems, read_keys):
    """By kid and alg together; without kid only the key without an id; anything else is refused."""
    keys = read_keys(
        {"JWT_SECRET_KEY": SECRET},
        keys={"rs": entry("RS256", pems), "hs": {"algorithm": "HS512", "secret": SECRET}},
        signing_key="rs",
    )
    assert keys.find({"alg": "RS256", "kid": "rs"}).algorithm == "RS256"
    assert keys.find({"alg": "HS512", "kid": "hs"}).algorithm == "HS512"
    assert keys.find({"alg": "HS256"}).id is None
    for header in (
        {"alg": "HS256", "kid": "rs"},
        {"alg": "RS512", "kid": "rs"},
        {"alg": "PS256", "kid": "rs"},
        {"alg": "HS256", "kid": "hs"},
        {"alg": "RS256"},
        {"alg": "HS256", "kid": ""},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "kid": ["hs"]},
        {"alg": "HS256", "kid": "HS"},
        {"alg": "none", "kid": "hs"},
        {"alg": ["HS512"], "kid": "hs"},
        {"kid": "hs"},
        {},
    ):
        with pytest.raises(TokenFault):
            keys.find(header)


def test_a_set_that_cannot_sign_takes_the_ids_of_another_issuer(pems, read_keys):
    """With JWT_PUBLIC_KEY alone the tokens are somebody else's, whose ids are not known here; not so with our own."""
    only_public = read_keys({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": pems["rsa"][1]})
    assert only_public.find({"alg": "RS256", "kid": "theirs"}).algorithm == "RS256"
    with pytest.raises(SetupError, match="only verify"):
        _ = only_public.signing
    own = read_keys({"JWT_ALGORITHM": "RS256", "JWT_PRIVATE_KEY": pems["rsa"][0]})
    with pytest.raises(TokenFault):
        own.find({"alg": "RS256", "kid": "theirs"})


def test_decode_algorithms_only_narrow(pems, read_keys):
    """Keys of other algorithms verify no more; none verifies by more than its own."""
    entries = {"rs": entry("RS256", pems), "ed": entry("EdDSA", pems, "public_key")}
    keys = read_keys({"JWT_DECODE_ALGORITHMS": ["RS256", "RS512"]}, keys=entries)
    assert keys.find({"alg": "RS256", "kid": "rs"})
    for header in ({"alg": "EdDSA", "kid": "ed"}, {"alg": "RS512", "kid": "rs"}):
        with pytest.raises(TokenFault):
            keys.find(header)
    assert [key["kid"] for key in keys.jwks()["keys"]] == ["rs"]


def test_the_jwks_has_public_keys_only(pems, read_keys):
    """RFC 7517: no secret, no private member, and the id and the algorithm of each key."""
    keys = read_keys(
        {"JWT_SECRET_KEY": SECRET},
        keys={name: entry(name, pems) for name in ALGORITHMS},
        signing_key="EdDSA",
    )
    found = {key["kid"]: key for key in keys.jwks()["keys"]}
    assert set(found) == set(KIND_OF)
    members = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
    for kid, key in found.items():
        assert set(key) == {"kty", "use", "alg", "kid", *members[key["kty"]]}
        assert (key["alg"], key["use"]) == (kid, "sig")
    assert keys.jwks() == keys.jwks()
    assert read_keys({"JWT_SECRET_KEY": SECRET}).jwks() == {"keys": []}
    assert read_keys().jwks() == {"keys": []}


def test_others_verify_by_the_jwks(pems, read_keys, claims):
    """PyJWT reads our JWKS and verifies our token by it."""
    import jwt

    for algorithm in KIND_OF:
        keys = read_keys(keys={"a": entry(algorithm, pems)})
        token = TokenSigner(keys=keys).sign({**claims, "exp": 4_000_000_000, "iat": 1})
        found = jwt.PyJWKSet.from_dict(keys.jwks())["a"]
        assert jwt.decode(token, found, algorithms=[algorithm])["sub"] == "7"


def test_rotation_logs_nobody_out(pems, read_keys, claims):
    """Old alone; new added; new signs; old removed: every token counts as long as its key is there."""
    old = {"old": entry("HS256", pems)}
    new = {"new": entry("EdDSA", pems)}
    keys = read_keys(keys=old)
    verify = verifier(keys).verify
    signer = TokenSigner(keys=keys)
    first = signer.sign(claims)
    keys.replace(read_keys(keys=old | new, signing_key="old"))
    second = signer.sign(claims)
    keys.replace(read_keys(keys=old | new, signing_key="new"))
    third = signer.sign(claims)
    assert [verify(token).header["kid"] for token in (first, second, third)] == ["old", "old", "new"]
    keys.replace(read_keys(keys=new))
    assert verify(third).subject == "7"
    for gone in (first, second):  # remembered as verified, and refused all the same
        with pytest.raises(InvalidTokenError):
            verify(gone)


def test_from_a_single_key_to_named_ones(pems, read_keys, claims):
    """With the named key told to sign, JWT_SECRET_KEY only verifies: tokens made before count, new ones have an id."""
    before = read_keys({"JWT_SECRET_KEY": SECRET})
    after = read_keys({"JWT_SECRET_KEY": SECRET}, keys={"new": entry("EdDSA", pems)}, signing_key="new")
    assert verifier(after).verify(TokenSigner(keys=before).sign(claims)).header == {
        "alg": "HS256",
        "typ": "JWT",
    }
    assert verifier(after).verify(TokenSigner(keys=after).sign(claims)).header["kid"] == "new"
    dropped = read_keys({"SECRET_KEY": SECRET}, keys={"new": entry("EdDSA", pems)})
    with pytest.raises(InvalidTokenError):  # the app's secret is no key beside named ones
        verifier(dropped).verify(TokenSigner(keys=before).sign(claims))
