"""What the login routes take and give."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from .delivery import Delivery

MAX_LOGIN = 254  # RFC 5321, as far as an address in angle brackets can be
MAX_PASSWORD = 1_024
MAX_TOKEN = 65_536  # BACKEND_AUTH_MAX_TOKEN_BYTES decides
MAX_DEVICE_NAME = 100
MAX_KEY_NAME = 100
MAX_SCOPES = 100

_NO_CONTROLS = validate.Regexp(r"^[^\x00-\x1f\x7f]*$(?!\n)", error="Must not contain control characters.")


def login_field() -> fields.String:
    """What is typed to log in."""
    return fields.String(
        required=True,
        validate=[validate.Length(min=1, max=MAX_LOGIN), _NO_CONTROLS],
        metadata={"description": "The e-mail address, or whatever else your account is called."},
    )


def password_field() -> fields.String:
    """A password; not checked for strength here."""
    return fields.String(
        required=True,
        load_only=True,
        validate=validate.Length(min=1, max=MAX_PASSWORD),
        metadata={"format": "password"},
    )


def token_field(*, required: bool = True) -> fields.String:
    """A token that was sent to an address, or a refresh token."""
    return fields.String(required=required, load_only=True, validate=validate.Length(min=1, max=MAX_TOKEN))


class CredentialsSchema(Schema):
    """A login and its password."""

    login = login_field()
    password = password_field()
    device = fields.String(
        load_default="",
        validate=[validate.Length(max=MAX_DEVICE_NAME), _NO_CONTROLS],
        metadata={"description": "What you call this device, for the list of sessions."},
    )
    delivery = fields.String(
        load_default=None,
        validate=validate.OneOf([item.value for item in Delivery]),
        metadata={"description": "Where to put the credentials: `body`, `cookies` or `session`."},
    )


class TokensSchema(Schema):
    """The credentials of a session; tokens are in the body only where they are not in cookies."""

    delivery = fields.String(validate=validate.OneOf([item.value for item in Delivery]))
    session_id = fields.String()
    access_token = fields.String()
    refresh_token = fields.String()
    token_type = fields.String(metadata={"description": "The word before the token in `Authorization`."})
    expires_in = fields.Integer(metadata={"description": "Seconds until the access token expires."})
    refresh_expires_in = fields.Integer(metadata={"description": "Seconds until the refresh token expires."})
    csrf_token = fields.String(metadata={"description": "With cookies: send it back in `X-CSRF-TOKEN`."})
    csrf_refresh_token = fields.String(metadata={"description": "The same, for refreshing."})


class RefreshSchema(Schema):
    """A refresh token, unless it comes in a cookie."""

    refresh_token = token_field(required=False)


class DeviceSchema(Schema):
    """Where somebody logged in."""

    user_agent = fields.String()
    address = fields.String()
    name = fields.String()


class SessionSchema(Schema):
    """One login that is not over."""

    id = fields.String()
    kind = fields.String(validate=validate.OneOf(["tokens", "cookie"]))
    created_at = fields.AwareDateTime()
    last_used_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(metadata={"description": "Unless it is used."})
    is_current = fields.Boolean(metadata={"description": "Whether this request belongs to it."})
    device = fields.Nested(DeviceSchema)


class LoginOnlySchema(Schema):
    """An account."""

    login = login_field()


def registration_schema(*, with_email: bool, details: type[Schema] | None) -> type[Schema]:
    """A login, an e-mail address unless told otherwise, a password, and what else the app wants to know."""
    email = fields.Email(required=True, validate=[validate.Length(max=MAX_LOGIN), _NO_CONTROLS])
    wanted: dict[str, fields.Field[Any]] = {
        "login": email if with_email else login_field(),
        "password": password_field(),
    }
    if details is not None:
        wanted["details"] = fields.Nested(details, required=True)
    return Schema.from_dict(wanted, name="NewLogin")


class OneTimeTokenSchema(Schema):
    """A token from a message."""

    token = token_field()


class ResetSchema(Schema):
    """A token from a message, and the new password."""

    token = token_field()
    password = password_field()


class ChangePasswordSchema(Schema):
    """The old and the new password."""

    old_password = password_field()
    new_password = password_field()


class NewApiKeySchema(Schema):
    """An API key to make."""

    name = fields.String(required=True, validate=[validate.Length(min=1, max=MAX_KEY_NAME), _NO_CONTROLS])
    scopes = fields.List(
        fields.String(validate=validate.Length(min=1, max=255)),
        load_default=list,
        validate=validate.Length(max=MAX_SCOPES),
        metadata={"description": "What it may do, of what you may do: `orders:read`; `*` for everything."},
    )
    expires_at = fields.AwareDateTime(load_default=None, allow_none=True)


class ApiKeySchema(Schema):
    """An API key, without what makes it work."""

    id = fields.String()
    shown = fields.String(metadata={"description": "How the key begins."})
    name = fields.String()
    scopes = fields.List(fields.String())
    created_at = fields.AwareDateTime()
    expires_at = fields.AwareDateTime(allow_none=True)
    last_used_at = fields.AwareDateTime(allow_none=True)


class MadeApiKeySchema(ApiKeySchema):
    """An API key just made."""

    key = fields.String(metadata={"description": "The whole key. It is shown this once."})


class MessageSchema(Schema):
    """What has been done."""

    message = fields.String()


class KeySetSchema(Schema):
    """Public keys that verify this app's tokens (RFC 7517)."""

    keys = fields.List(fields.Dict())
