"""Why a login through a provider fails: the answers, in words for the person who tries.

`reason`, where there is one, is for the log.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NetworkError,
    ThirdPartyAPIError,
    UnauthorizedError,
)


class ProviderUnreachableError(NetworkError):
    """The provider does not answer, or not in time."""

    default_message = "The login provider cannot be reached; try again in a moment."


class ProviderAnswerError(ThirdPartyAPIError):
    """The provider answers with an error or with something that is no answer."""

    default_message = "The login provider gave an answer that cannot be used; try again later."

    def __init__(self, reason: str, **options: Any) -> None:
        super().__init__(**options)
        self.reason = reason


class LoginAttemptError(BadRequestError):
    """The callback belongs to no login that this browser has begun here in the last ten minutes."""

    refused = True
    code = "OAUTH_STATE_INVALID"
    default_message = (
        "This login was not begun in this browser, is too old, or was finished already; start it again."
    )

    def __init__(self, reason: str, **options: Any) -> None:
        super().__init__(**options)
        self.reason = reason


class CodeRefusedError(BadRequestError):
    """The provider does not take the code (any more)."""

    code = "OAUTH_CODE_INVALID"
    default_message = "The login provider no longer knows this login; start it again."


class IdTokenError(UnauthorizedError):
    """The ID token does not count."""

    code = "INVALID_ID_TOKEN"
    default_message = (
        "The login provider's proof of who you are could not be verified; start the login again."
    )

    def __init__(self, reason: str, **options: Any) -> None:
        super().__init__(**options)
        self.reason = reason


class LoginDeniedError(ForbiddenError):
    """The person, or the provider, said no."""

    code = "OAUTH_LOGIN_DENIED"
    default_message = "The login was cancelled at the provider."


class AccountRefusedError(ForbiddenError):
    """Who it is has been proven, and may not log in."""

    code = "OAUTH_ACCOUNT_REFUSED"
    MESSAGES: ClassVar[dict[str, str]] = {
        "inactive": "This account is not active.",
        "user_gone": "The account that this login belonged to no longer exists.",
        "no_email": "The login provider did not tell your e-mail address; allow it to, and try again.",
        "unverified_email": "The login provider has not verified your e-mail address; verify it there, or log in to the account "
        "that you have here and link the provider.",
        "registration_off": "There is no account for you here, and none can be made by this login.",
    }

    def __init__(self, reason: str, **options: Any) -> None:
        super().__init__(self.MESSAGES[reason], **options)
        self.reason = reason


class AccountExistsError(ConflictError):
    """An account with this address exists, and it has not been proven that both belong to one person."""

    code = "OAUTH_ACCOUNT_EXISTS"
    default_message = "There is an account with your e-mail address already; log in to it as usual, then link this provider."


class IdentityTakenError(ConflictError):
    """The identity is linked to another account."""

    code = "OAUTH_IDENTITY_TAKEN"
    default_message = "This login is linked to another account already."
