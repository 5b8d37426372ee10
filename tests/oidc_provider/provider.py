"""A small OpenID Connect provider, with faults to order: `python provider.py` prints its issuer and serves until its input ends.

`POST /control` sets what the next conversations look like (the fields of `Behaviour`), `DELETE /control` sets everything
back, `POST /control/rotation` replaces the signing key, `GET /control/requests` counts the requests by path. The lines
`stop` and `start` on its input take it off its port and bring it back.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode, UserInfo
from authlib.oidc.core.util import create_half_hash
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from werkzeug.serving import BaseWSGIServer, make_server

SECRET = "a-client-secret:with/odd+characters%"
USER = {"sub": "u-1", "email": "ada@example.org", "email_verified": True, "name": "Ada"}


@dataclass
class Behaviour:
    """What a test has ordered."""

    user: dict[str, Any] = field(default_factory=lambda: dict(USER))
    deny: str | None = None  # answer the authorization request with this error
    claims: dict[str, Any] = field(default_factory=dict)  # replaces claims of the ID token; None removes one
    signature: str = (
        "own"  # own | es256 | short_key | none | hs256 | hs256_public_key | other_key | other_key_same_id
    )
    header: dict[str, Any] = field(default_factory=dict)  # replaces header fields of the ID token
    id_token: Any = "real"  # or what is sent instead; None for none
    userinfo_only: bool = False  # the e-mail address is told by /userinfo, not by the ID token
    userinfo: dict[str, Any] = field(default_factory=dict)  # replaces fields of /userinfo
    iss: str | None = "own"  # the `iss` of the authorization response (RFC 9207), None for none
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # path -> status, body, type, delay
    metadata: dict[str, Any] = field(default_factory=dict)  # replaces fields of the discovery document
    keys: Any = None  # the JWK set, instead of the real one


class Client(ClientMixin):
    """`web` has a secret, `native` has none; both may be sent back anywhere on loopback."""

    def __init__(self, client_id: str, secret: str | None) -> None:
        self.client_id = client_id
        self.secret = secret

    def get_client_id(self):
        return self.client_id

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri.startswith(("http://127.0.0.1", "http://localhost"))

    def check_client_secret(self, client_secret):
        return self.secret is not None and client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in (("none",) if self.secret is None else ("client_secret_post", "client_secret_basic"))

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type == "authorization_code"


CLIENTS = {"web": Client("web", SECRET), "other": Client("other", SECRET), "native": Client("native", None)}


@dataclass
class Code:
    """An authorization code; good for one exchange."""

    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    user: dict[str, Any]

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return int(time.time())

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class Provider:
    """Everything the process remembers."""

    def __init__(self) -> None:
        self.issuer = ""
        self.behaviour = Behaviour()
        self.requests: Counter[str] = Counter()
        self.codes: dict[str, Code] = {}
        self.users_by_token: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.keys: list[Any] = []
        self.short_key = RSAKey.generate_key(1024, {"kid": "short", "use": "sig", "alg": "RS256"})
        self.unpublished_key = RSAKey.generate_key(2048)
        self.ec_key = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"})
        self.rotate()

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is no longer published."""
        number = len(self.keys) + 1
        self.keys.append(RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig", "alg": "RS256"}))

    @property
    def key(self) -> Any:
        return self.keys[-1]

    def published(self) -> dict[str, Any]:
        return KeySet([self.key, self.ec_key, self.short_key]).as_dict(private=False)

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.behaviour.metadata,
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """The ID token, with the fault that was ordered."""
        kind, own = self.behaviour.signature, self.key
        other = self.unpublished_key
        public_pem = own.as_pem(private=False)
        choices = {
            "own": ("RS256", own.kid, own),
            "es256": ("ES256", "ec", self.ec_key),
            "hs256": ("HS256", own.kid, OctKey.import_key(SECRET)),
            "short_key": ("RS256", "short", self.short_key),
            "other_key": ("RS256", "unheard-of", other),
            "other_key_same_id": ("RS256", own.kid, other),
        }
        if kind in ("none", "hs256_public_key"):
            return unusual_token(kind, claims, own.kid, public_pem)
        algorithm, key_id, key = choices[kind]
        header = {"alg": algorithm, "kid": key_id, **self.behaviour.header}
        if self.behaviour.header:
            present = {name: value for name, value in header.items() if value is not None}
            return oddly_signed(present, claims, key)
        return jwt.encode(header, claims, key, [algorithm])


def unusual_token(kind: str, claims: dict[str, Any], key_id: str, public_pem: bytes) -> str:
    """Tokens that a good library refuses to make: unsigned, or signed with the public key as an HMAC secret."""
    header = {"alg": "none" if kind == "none" else "HS256", "typ": "JWT", "kid": key_id}
    signed = encoded(json.dumps(header).encode()) + "." + encoded(json.dumps(claims).encode())
    if kind == "none":
        return signed + "."
    return signed + "." + encoded(hmac.digest(public_pem, signed.encode(), hashlib.sha256))


def oddly_signed(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    """RS256, whatever the header says."""
    signed = encoded(json.dumps(header).encode()) + "." + encoded(json.dumps(claims).encode())
    signature = key.private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return signed + "." + encoded(signature)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


provider = Provider()


class CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_post", "client_secret_basic", "none"]

    def save_authorization_code(self, code, request):
        data = request.payload.data
        provider.codes[code] = Code(
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.scope,
            nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
            user=request.user,
        )

    def query_authorization_code(self, code, client):
        with provider.lock:  # good for one exchange, whatever comes of it
            found = provider.codes.pop(code, None)
        return found if found is not None and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code):
        """Gone already."""

    def authenticate_user(self, authorization_code):
        return authorization_code.user


class Pkce(CodeChallenge):
    """RFC 7636 without `plain`, for every client."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]

    def validate_code_challenge(self, grant, redirect_uri):
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class IdToken(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return any(code.nonce == nonce for code in provider.codes.values())

    def generate_user_info(self, user, scope):
        return UserInfo(**user).filter(scope)

    def encode_id_token(self, token, request):
        behaviour, code = provider.behaviour, request.authorization_code
        if behaviour.id_token != "real":
            return behaviour.id_token
        user = code.user
        if behaviour.userinfo_only:
            user = {"sub": user["sub"]}
        now = int(time.time())
        claims = {
            "iss": provider.issuer,
            "aud": request.client.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": code.nonce,
            "at_hash": create_half_hash(token["access_token"], "RS256").decode(),
            **user,
            **behaviour.claims,
        }
        endless = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}
        for name in ("exp", "iat", "nbf"):  # numbers that the order could not carry
            if claims.get(name) in endless:
                claims[name] = endless[claims[name]]
        return provider.sign({name: value for name, value in claims.items() if value is not None})


class Issuer(IssuerParameter):
    def get_issuer(self):
        iss = provider.behaviour.iss
        return provider.issuer if iss == "own" else iss


def make_app() -> Flask:
    app = Flask(__name__)

    def save_token(token, oauth_request):
        provider.users_by_token[token["access_token"]] = oauth_request.user

    server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
    server.register_grant(CodeGrant, [Pkce(required=True), IdToken(require_nonce=True)])
    server.register_extension(Issuer())
    app.before_request(ordered_answer)
    add_published(app)
    add_protocol(app, server)
    add_control(app)
    return app


def ordered_answer() -> Response | None:
    """The fault that was ordered for this path."""
    if request.path.startswith("/control"):
        return None
    provider.requests[request.path] += 1
    answer = provider.behaviour.answers.get(request.path)
    if answer is None:
        return None
    time.sleep(answer.get("delay", 0))
    if "status" not in answer:
        return None
    body = answer.get("body", "")
    if answer.get("trickle"):  # a byte now and then, so that no single read takes long
        body = ((time.sleep(answer["trickle"]) or b" ") for _ in range(1000))
    elif answer.get("size"):
        body = (b" " * 65536 for _ in range(answer["size"] // 65536))
    response = Response(body, status=answer["status"], content_type=answer.get("type", "application/json"))
    response.headers.extend(answer.get("headers", {}))
    return response


def add_published(app: Flask) -> None:
    @app.get("/.well-known/openid-configuration")
    def discovery():
        return jsonify(provider.metadata())

    @app.get("/jwks")
    def jwks():
        return jsonify(provider.behaviour.keys or provider.published())


def add_protocol(app: Flask, server: AuthorizationServer) -> None:
    @app.get("/authorize")
    def authorize():
        behaviour = provider.behaviour
        grant = server.get_consent_grant(end_user=behaviour.user)
        if behaviour.deny:
            answer = {"error": behaviour.deny, "state": request.args["state"], "iss": provider.issuer}
            return redirect(request.args["redirect_uri"] + "?" + urlencode(answer))
        return server.create_authorization_response(grant=grant, grant_user=behaviour.user)

    @app.post("/token")
    def token():
        return server.create_token_response()

    @app.get("/userinfo")
    def userinfo():
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        user = provider.users_by_token.get(value)
        if scheme != "Bearer" or user is None:
            return jsonify(error="invalid_token"), 401
        return jsonify({**user, **provider.behaviour.userinfo})


def add_control(app: Flask) -> None:
    @app.post("/control")
    def order():
        for name, value in request.get_json().items():
            setattr(provider.behaviour, name, value)
        return jsonify(ok=True)

    @app.delete("/control")
    def reset():
        provider.behaviour = Behaviour()
        provider.requests.clear()
        provider.codes.clear()
        return jsonify(ok=True)

    @app.post("/control/rotation")
    def rotation():
        provider.rotate()
        return jsonify(key_id=provider.key.kid)

    @app.get("/control/requests")
    def requests():
        return jsonify(provider.requests)


def listen(app: Flask, port: int) -> BaseWSGIServer:
    """Serve in a thread, and say where: a line on the output for the parent."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(json.dumps({"issuer": provider.issuer}), flush=True)  # noqa: T201
    return server


def main() -> None:
    """Serve; a line on the input ends that or begins it again, on the same port. The end of the input ends the process."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback only
    app = make_app()
    server = listen(app, 0)
    for line in sys.stdin:
        if line == "stop\n":
            server.shutdown()
            server.server_close()
            print("stopped", flush=True)  # noqa: T201
        else:
            server = listen(app, server.server_port)


if __name__ == "__main__":
    main()
