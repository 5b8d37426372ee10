"""What touches Flask-JWT-Extended: its manager makes and reads tokens by our keys and our rules.

A `JWTManager` may serve several apps, some of them without us, so what is put on it asks at each call which app is
served. Loaders of the app keep their say; those it left alone do what ours want.
"""

# ruff: noqa: SLF001 - there is no public place for any of this

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import jwt
from flask import Flask, current_app
from flask_jwt_extended import JWTManager, default_callbacks, exceptions
from flask_jwt_extended.config import config
from flask_jwt_extended.tokens import _encode_jwt

from ...errors import InvalidTokenError, translate
from ..csrf import is_same
from . import algorithms
from .bond import MANAGER_KEY, complete
from .claims import is_refresh_of_login
from .faults import EXPIRED, INVALID, REVOKED, TokenFault, refusal
from .keys import VerifyingKey
from .read_only import thawed
from .rules import ACCESS

if TYPE_CHECKING:
    from .bond import ExtendedBond

_ATTRIBUTE = "_backend_patterns_hooks"
_DEFAULT_BLOCKLIST = default_callbacks.default_blocklist_callback
_DEFAULT_VERIFICATION = default_callbacks.default_token_verification_callback
_DEFAULT_DECODE_KEY = default_callbacks.default_decode_key_callback
_DEFAULT_ENCODE_KEY = default_callbacks.default_encode_key_callback


class RefusedTokenError(jwt.InvalidTokenError, exceptions.JWTExtendedException):
    """A token that does not count; handlers for either package's errors find it."""


class ExpiredTokenError(jwt.ExpiredSignatureError, exceptions.JWTExtendedException):
    """An expired token, with what `expired_token_loader` is given."""

    def __init__(self, header: dict[str, Any], claims: dict[str, Any]) -> None:
        super().__init__("Signature has expired")
        self.jwt_header = header
        self.jwt_data = claims


class StandInManager(JWTManager):
    """The manager of an app that has set up none; one that comes later takes its place."""


def set_up_manager(app: Flask) -> JWTManager:
    """A manager of ours for an app that has none; it answers only errors of Flask-JWT-Extended, not those of PyJWT."""
    manager = StandInManager()
    app.extensions[MANAGER_KEY] = manager
    manager._set_default_configuration_options(app)
    if not app._got_first_request:
        app.register_error_handler(exceptions.JWTExtendedException, _answer)
    return manager


def _answer(error: Exception) -> Any:
    """Outside of API routes: the same as for our own errors, unless the app has its own manager by now."""
    if not isinstance(current_app.extensions.get(MANAGER_KEY), StandInManager):
        raise error
    translated = translate(error)
    return current_app.handle_user_exception(translated if translated is not None else error)


def hooks_of(manager: JWTManager) -> ManagerHooks:
    """The hooks on `manager`; put there the first time."""
    found: ManagerHooks | None = vars(manager).get(_ATTRIBUTE)
    if found is None:
        found = ManagerHooks(manager)
        setattr(manager, _ATTRIBUTE, found)
    return found


class ManagerHooks:
    """Stands between a `JWTManager` and its callbacks, for the apps that are bound."""

    def __init__(self, manager: JWTManager) -> None:
        self._manager = manager
        self._bonds: WeakKeyDictionary[Flask, ExtendedBond] = WeakKeyDictionary()
        self._encode = manager._encode_jwt_from_config
        self._decode = manager._decode_jwt_from_config
        self._their_blocklist: Any = _DEFAULT_BLOCKLIST
        self._their_identity: Any = default_callbacks.default_user_identity_callback
        self._their_verification: Any = _DEFAULT_VERIFICATION
        # Kept, since a method is another object each time it is looked up.
        self._our_blocklist = self._is_blocklisted
        self._our_identity = self._identity
        self._our_verification = self._is_accepted
        vars(manager).update(_encode_jwt_from_config=self._make, _decode_jwt_from_config=self._read)

    def bind(self, app: Flask, bond: ExtendedBond) -> None:
        """Take part for `app`; called again, it finds the loaders that the app has set since."""
        self._bonds[app] = bond
        self.adopt()
        has_own_key = self._manager._decode_key_callback is not _DEFAULT_DECODE_KEY
        bond.parts.verifier.key_loader = self._load_key if has_own_key else None

    def adopt(self) -> None:
        """Take in the loaders that the app has set since: they are asked by ours, in whose place they were put."""
        manager = self._manager
        if manager._token_in_blocklist_callback is not self._our_blocklist:
            self._their_blocklist = manager._token_in_blocklist_callback
            vars(manager)["_token_in_blocklist_callback"] = self._our_blocklist
        if manager._user_identity_callback is not self._our_identity:
            self._their_identity = manager._user_identity_callback
            vars(manager)["_user_identity_callback"] = self._our_identity
        if manager._token_verification_callback is not self._our_verification:
            self._their_verification = manager._token_verification_callback
            vars(manager)["_token_verification_callback"] = self._our_verification

    def release(self, app: Flask) -> None:
        """Take part for `app` no more."""
        self._bonds.pop(app, None)

    @property
    def has_loaders(self) -> bool:
        """Whether the app has loaders that may refuse a token."""
        self.adopt()
        manager = self._manager
        return (
            self._their_blocklist is not _DEFAULT_BLOCKLIST
            or self._their_verification is not _DEFAULT_VERIFICATION
            or manager._user_lookup_callback is not None
        )

    def ask_loaders(
        self, header: dict[str, Any], claims: dict[str, Any]
    ) -> tuple[tuple[str, str] | None, dict[str, Any] | None]:
        """((code, reason) of a refusal or None, the user found or None): as Flask-JWT-Extended asks, in its order."""
        manager = self._manager
        if self._their_blocklist(header, claims):
            return (REVOKED, "the app's token_in_blocklist_loader has it"), None
        if not self._their_verification(header, claims):
            return (INVALID, "the app's token_verification_loader refuses it"), None
        if manager._user_lookup_callback is None:
            return None, None
        user = manager._user_lookup_callback(header, claims)
        if user is None:
            return (INVALID, "the app's user_lookup_loader finds nobody"), None
        return None, {"loaded_user": user}

    def _bond(self) -> ExtendedBond | None:
        return self._bonds.get(current_app._get_current_object())  # type: ignore[attr-defined]

    def _is_blocklisted(self, header: dict[str, Any], claims: dict[str, Any]) -> Any:
        bond = self._bond()
        if bond is not None and bond.is_revoked(claims, config.identity_claim_key):
            return True
        return self._their_blocklist(header, claims)

    def _is_accepted(self, header: dict[str, Any], claims: dict[str, Any]) -> Any:
        """Asked for every token, after its type: a refresh token of ours is on a route that would spend it unseen."""
        bond = self._bond()
        if bond is not None and is_refresh_of_login(claims):
            raise refusal(
                scheme=bond.parts.verifier.rules.scheme,
                reason="a refresh token of issue_tokens or the login blueprint, which refresh it themselves; "
                "@jwt_required() would let a spent one through",
            )
        return self._their_verification(header, claims)

    def _identity(self, identity: Any) -> Any:
        found = self._their_identity(identity)
        bond = self._bond()
        if bond is None or isinstance(found, str) or bond.parts.verifier.rules.accepts_integer_subject:
            return found
        if found is None or isinstance(found, (bool, bytes)):
            raise TypeError(
                f"A token needs the id of a user, not {found!r}; give create_access_token a string or a number."
            )
        return str(found)

    def _make(
        self,
        identity: Any,
        token_type: str,
        claims: dict[str, Any] | None = None,
        fresh: Any = False,  # noqa: FBT002
        expires_delta: Any = None,
        headers: dict[str, Any] | None = None,
    ) -> str:
        self.adopt()
        bond, manager = self._bond(), self._manager
        if bond is None or manager._encode_key_callback is not _DEFAULT_ENCODE_KEY:
            return self._encode(identity, token_type, claims, fresh, expires_delta, headers)
        key = bond.parts.keys.signing
        if expires_delta is None:
            expires_delta = config.access_expires if token_type == ACCESS else config.refresh_expires
        named = {} if key.id is None else {"kid": key.id}
        return _encode_jwt(
            algorithm=key.algorithm,
            audience=config.encode_audience,
            claim_overrides={**manager._user_claims_callback(identity), **(claims or {})},
            csrf=config.cookie_csrf_protect,
            expires_delta=expires_delta,
            fresh=fresh,
            header_overrides={
                **named,
                **manager._jwt_additional_header_callback(identity),
                **(headers or {}),
            },
            identity=manager._user_identity_callback(identity),
            identity_claim_key=config.identity_claim_key,
            issuer=config.encode_issuer,
            json_encoder=config.json_encoder,
            secret=key.key,
            token_type=token_type,
            nbf=config.encode_nbf,
        )

    def _read(
        self,
        encoded_token: str | bytes,
        csrf_value: str | None = None,
        allow_expired: bool = False,  # noqa: FBT001, FBT002 - as Flask-JWT-Extended calls it
    ) -> dict[str, Any]:
        self.adopt()
        bond = self._bond()
        if bond is None:
            return self._decode(encoded_token, csrf_value, allow_expired)  # type: ignore[arg-type]  # PyJWT takes bytes
        verifier = bond.parts.verifier
        text = encoded_token.decode("latin-1") if isinstance(encoded_token, bytes) else encoded_token
        try:
            token = verifier.verify_for_extended(text, allow_expired=allow_expired)
        except InvalidTokenError as error:
            if error.code != EXPIRED:
                raise RefusedTokenError(error.message) from error
            token = verifier.verify_for_extended(text, allow_expired=True)
            raise ExpiredTokenError(thawed(token.header), complete(thawed(token.claims))) from error
        claims = complete(thawed(token.claims))
        csrf = claims.get("csrf")
        if csrf_value and not is_same(csrf if isinstance(csrf, str) else "", csrf_value):
            raise exceptions.CSRFError("CSRF double submit tokens do not match")
        return claims

    def _load_key(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> VerifyingKey:
        """The key of the app's own `decode_key_loader`, for an algorithm of `JWT_DECODE_ALGORITHMS`."""
        algorithm = header.get("alg")
        if algorithm not in algorithms.ALGORITHMS or algorithm not in config.decode_algorithms:
            raise TokenFault("alg is not one of JWT_DECODE_ALGORITHMS")
        key = self._manager._decode_key_callback(dict(header), dict(claims))
        try:
            prepared = algorithms.implementation(algorithm).prepare_key(key)
        except (jwt.InvalidKeyError, TypeError, ValueError):
            raise TokenFault("the key of decode_key_loader is not one for alg") from None
        public = prepared.public_key() if hasattr(prepared, "public_key") else prepared
        return VerifyingKey(id=None, algorithm=algorithm, key=public)
