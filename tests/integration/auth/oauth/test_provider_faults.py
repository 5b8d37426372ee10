"""A provider that is away, slow, wrong or hostile: clear answers in bounded time, and no retries."""

import json
import time
from threading import Thread

import pytest

from flask_backend_patterns.auth.oauth.attempt import Attempt
from flask_backend_patterns.auth.oauth.provider_client import MAX_BYTES, ProviderClient
from flask_backend_patterns.auth.oauth.refusals import (
    CodeRefusedError,
    LoginAttemptError,
    LoginDeniedError,
    ProviderAnswerError,
    ProviderUnreachableError,
)

DISCOVERY = "/.well-known/openid-configuration"
USELESS_ANSWERS = [
    {"status": 500, "body": "{}"},
    {"status": 503, "body": "<html>", "type": "text/html"},
    {"status": 404, "body": "{}"},
    {"status": 302, "body": "{}", "headers": {"Location": "http://127.0.0.1:1/"}},
    {"status": 204, "body": ""},
    {"status": 200, "body": ""},
    {"status": 200, "body": "garbage"},
    {"status": 200, "body": "[" * 100_000},
    {"status": 200, "body": '{"a":' * 5_000},
    {"status": 200, "body": "[]"},
    {"status": 200, "body": "null"},
    {"status": 200, "body": '"text"'},
    {"status": 200, "body": "{}"},
    {"status": 200, "body": "{}", "type": "text/html"},
    {"status": 200, "body": "{}", "type": "text/plain"},
    {"status": 200, "body": "{}", "headers": {"Content-Encoding": "gzip"}},
    {"status": 200, "size": 8 * MAX_BYTES},
]


@pytest.mark.parametrize("answer", USELESS_ANSWERS, ids=lambda answer: json.dumps(answer)[:50])
@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token", "/userinfo"])
def test_an_answer_that_cannot_be_used_is_a_502(converse, provider, path, answer):
    """Errors, redirects, pages, garbage, too much of anything: 502, asked for once."""
    provider.order(answers={path: answer}, userinfo_only=True)
    with pytest.raises(ProviderAnswerError) as refused:
        converse().finish()
    assert refused.value.status == 502
    assert provider.requests()[path] == 1


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token", "/userinfo"])
def test_a_slow_provider_is_given_up(converse, provider, path):
    """No answer within the time given: 503 with Retry-After."""
    provider.order(answers={path: {"delay": 30}}, userinfo_only=True)
    begun = time.monotonic()
    with pytest.raises(ProviderUnreachableError) as refused:
        converse(client=ProviderClient(timeout_seconds=1)).finish()
    assert time.monotonic() - begun < 20
    assert (refused.value.status, "Retry-After" in refused.value.headers) == (503, True)
    assert provider.requests()[path] == 1


def test_a_provider_that_trickles_is_given_up(converse, provider):
    """An answer that never ends counts as slow, although each read brings something."""
    provider.order(answers={DISCOVERY: {"status": 200, "trickle": 0.1}})
    begun = time.monotonic()
    with pytest.raises(ProviderUnreachableError):
        converse(client=ProviderClient(timeout_seconds=1)).finish()
    assert time.monotonic() - begun < 20


def test_a_provider_that_is_down_is_a_503(converse, provider, make_login, conversation):
    """Nobody listens: 503 at once; when it is back, logins work again after two seconds at most."""
    now = [0.0]
    login = make_login(provider, steady=lambda: now[0])
    provider.stop()
    begun = time.monotonic()
    for _ in range(20):
        with pytest.raises(ProviderUnreachableError):
            conversation(login).finish()
    assert time.monotonic() - begun < 20
    provider.reset()
    with pytest.raises(ProviderUnreachableError):
        conversation(login).finish()
    now[0] += 2.1
    assert conversation(login).finish().subject == "u-1"


def test_a_provider_that_goes_down_in_between_is_a_503(make_login, conversation, provider):
    """The code cannot be exchanged: 503."""
    talk = conversation(make_login(provider))
    answer = talk.answer()
    provider.stop()
    with pytest.raises(ProviderUnreachableError):
        talk.login.complete(talk.attempt, answer)


def test_discovery_and_keys_are_fetched_once(make_login, conversation, provider):
    """Twenty logins, from several threads at once: one discovery document, one key set."""
    login = make_login(provider, client=ProviderClient())
    failures = []

    def log_in() -> None:
        try:
            conversation(login).finish()
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [Thread(target=log_in) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counted = provider.requests()
    assert (counted[DISCOVERY], counted["/jwks"], counted["/token"]) == (1, 1, 20)


def test_an_outdated_document_is_used_while_the_provider_is_silent(make_login, conversation, provider):
    """An hour later the document is fetched again; if that fails the old one does, for another minute."""
    now = [0.0]
    login = make_login(provider, steady=lambda: now[0])
    conversation(login).finish()
    now[0] += 3_601
    provider.order(answers={DISCOVERY: {"status": 500, "body": "{}"}})
    for _ in range(3):
        assert conversation(login).finish().subject == "u-1"
    assert provider.requests()[DISCOVERY] == 2
    now[0] += 61
    conversation(login).finish()
    assert provider.requests()[DISCOVERY] == 3


WRONG_METADATA = [
    {"issuer": "https://evil.example"},
    {"issuer": None},
    {"issuer": ["x"]},
    {"issuer": "{issuer}/"},
    *(
        {endpoint: url}
        for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        for url in (
            None,
            7,
            "",
            "http://provider.example/x",
            "ftp://127.0.0.1/x",
            "javascript:alert(1)",
            "//evil.example/x",
            "/x",
            "https://",
            "https://user:password@provider.example/",
            "https://provider.example/#x",
            "https://provider.example/\r\nX: y",
            "https://[::1",
            "https://provider.example:port/",
        )
    ),
    {"userinfo_endpoint": "http://provider.example/"},
]


@pytest.mark.parametrize("metadata", WRONG_METADATA, ids=str)
def test_a_document_that_cannot_be_trusted_is_refused(converse, provider, metadata):
    """Another issuer, no https, no URL: 502 before the browser is sent anywhere."""
    filled = {
        name: url.format(issuer=provider.issuer) if isinstance(url, str) else url
        for name, url in metadata.items()
    }
    provider.order(metadata=filled)
    with pytest.raises(ProviderAnswerError):
        converse().answer()


def test_an_endpoint_with_a_query_keeps_it(converse, provider):
    """Our parameters are added to those that the provider has put there."""
    provider.order(metadata={"authorization_endpoint": f"{provider.issuer}/authorize?tenant=7"})
    talk = converse()
    assert "/authorize?tenant=7&response_type=code" in talk.login.authorization_url(talk.attempt)
    assert talk.finish().subject == "u-1"


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ("access_denied", LoginDeniedError),
        ("login_required", LoginDeniedError),
        ("consent_required", LoginDeniedError),
        ("interaction_required", LoginDeniedError),
        ("temporarily_unavailable", ProviderUnreachableError),
        ("server_error", ProviderAnswerError),
        ("invalid_scope", ProviderAnswerError),
        ("unauthorized_client", ProviderAnswerError),
        ("<script>alert(1)</script>", ProviderAnswerError),
    ],
)
def test_an_error_that_the_provider_sends_back(converse, provider, error, refusal):
    """Who cancelled is told so (403); everything else is the provider's or the settings' fault (502, 503)."""
    provider.order(deny=error)
    with pytest.raises(refusal) as refused:
        converse().finish()
    assert "script" not in refused.value.message + getattr(refused.value, "reason", "")


@pytest.mark.parametrize(
    "tokens",
    [
        {},
        {"access_token": "x"},
        {"access_token": "x\r\ny", "id_token": "a.b.c"},
        {"access_token": 7, "id_token": "a.b.c"},
        {"access_token": "ü", "id_token": "a.b.c"},
        {"error": "invalid_client"},
        {"error": 7},
        {"error": {"a": "b"}, "id_token": "a.b.c"},
    ],
    ids=str,
)
def test_a_token_response_without_tokens(converse, provider, tokens):
    """502 or 401, whatever is missing or wrong."""
    provider.order(answers={"/token": {"status": 200, "body": json.dumps(tokens)}})
    with pytest.raises(Exception) as refused:
        converse().finish()
    assert refused.value.status == (401 if tokens == {"access_token": "x"} else 502)


@pytest.mark.parametrize("secret", ["wrong", "sé", "x" * 5_000])
def test_a_wrong_client_secret_is_a_502(converse, provider, secret):
    """Our own settings are wrong: nobody's login, and the secret is in no message."""
    with pytest.raises(ProviderAnswerError) as refused:
        converse(client_secret=secret).finish()
    assert "invalid_client" in refused.value.reason
    assert secret not in str(refused.value) + refused.value.reason


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_both_ways_to_show_the_client_secret(converse, provider, method):
    """RFC 6749, 2.3.1, with characters that have to be encoded; by the settings, or by what the provider lists."""
    assert converse(authentication=method).finish().subject == "u-1"
    provider.order(metadata={"token_endpoint_auth_methods_supported": [method]})
    assert converse().finish().subject == "u-1"


def test_a_client_without_secret(converse, provider):
    """A public client: PKCE alone."""
    assert converse(client_id="native", client_secret=None).finish().subject == "u-1"


def test_a_code_counts_once(converse, provider):
    """The provider refuses it the second time, and so do we: 400, start again."""
    talk = converse()
    answer = talk.answer()
    assert talk.login.complete(talk.attempt, answer).subject == "u-1"
    with pytest.raises(CodeRefusedError) as refused:
        talk.login.complete(talk.attempt, answer)
    assert refused.value.status == 400


def test_a_code_without_its_verifier_is_worthless(converse, provider):
    """PKCE: the provider refuses a code that was stolen from another attempt, whoever brings it."""
    victim, thief = converse(), converse()
    with pytest.raises(CodeRefusedError):
        thief.login.complete(thief.attempt, {**thief.answer(), "code": victim.answer()["code"]})


def test_a_code_of_another_login_is_refused_by_the_nonce_too(converse, provider):
    """Even with the right verifier an ID token for another attempt does not count."""
    from dataclasses import replace

    from flask_backend_patterns.auth.oauth.refusals import IdTokenError

    talk = converse()
    answer = talk.answer()
    other: Attempt = replace(talk.attempt, nonce="another")
    with pytest.raises(IdTokenError):
        talk.login.complete(other, answer)


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
def test_the_answer_has_to_name_its_issuer(converse, provider, iss):
    """RFC 9207: an announced `iss` that is missing or another one is a mix-up."""
    provider.order(iss=iss)
    with pytest.raises(LoginAttemptError):
        converse().finish()


def test_a_provider_that_does_not_name_its_issuer(converse, provider):
    """Those that do not announce `iss` may leave it out; if they send one it counts."""
    provider.order(metadata={"authorization_response_iss_parameter_supported": False}, iss=None)
    assert converse().finish().subject == "u-1"
    with pytest.raises(LoginAttemptError):
        converse().finish(iss="https://evil.example")


@pytest.mark.parametrize("code", ["", "x" * 4_097, "\0", "ü", "%00", "no-such-code"])
def test_a_code_that_is_none(converse, provider, code):
    """400."""
    with pytest.raises((LoginAttemptError, CodeRefusedError)) as refused:
        converse().finish(code=code)
    assert refused.value.status == 400
