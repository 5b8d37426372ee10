"""`@login_limit`: limits failed logins on an app's own login views."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from flask import current_app, request
from werkzeug.exceptions import HTTPException

from .._config import SetupError
from .._view_arguments import FromPath
from ..declarations import Declaration, Documentation, Phase
from ..errors import AppError, UnauthorizedError
from ..guard import declare
from .failures.counting import read_rates
from .failures.windows.protocols import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator

    from flask import Response

    from ..guard import Enforcer
    from .failures import Attempt, Failures
    from .failures.windows.protocols import Rate

Target = TypeVar("Target", bound=Callable[..., Any])
Rates = tuple["Rate", ...]

LOGIN: Final = "login"  # the kind that the kit's own login routes are counted as
WRONG: Final = frozenset({401, 403})
KIND: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_ACCOUNT: Final = 1_000  # characters; nobody's login is longer
NOT_FOUND: Final = "\0"  # the account of all whose account is not where it should be


@dataclass(frozen=True, kw_only=True)
class LoginLimit(Declaration):
    """The view checks credentials, and wrong ones are counted by address and by account.

    `account` gives what was typed to log in, None where nothing was. Rates that are None are those of the settings. Each
    `kind` is counted apart. `failed` says whether a response is a failure, where the status does not.
    """

    phase: ClassVar[Phase] = Phase.ADDRESS_LIMIT
    statuses: ClassVar[tuple[int, ...]] = (429,)
    required: ClassVar[bool] = False  # BACKEND_LIMITS_ENABLED = False: nothing is limited

    account: Callable[[], Any] | None = None
    per_address: Rates | None = None
    per_account: Rates | None = None
    kind: str = LOGIN
    failed: Callable[[Response], bool] | None = None

    def documentation(self, method: str) -> Documentation:
        """`Retry-After` on 429."""
        del method
        header = {"description": "Seconds until another attempt is looked at.", "schema": {"type": "integer"}}
        return Documentation(operation={"responses": {"429": {"headers": {"Retry-After": header}}}})

    def audit(self, method: str) -> Mapping[str, str]:
        """The column `limit`."""
        del method
        return {
            "limit": "failures, by address" if self.account is None else "failures, by address and account"
        }


def login_limit(
    *,
    account: str | Callable[..., Any] | None,
    per_address: str | None = None,
    per_account: str | None = None,
    kind: str = LOGIN,
    failed: Callable[[Response], bool] | None = None,
) -> Callable[[Target], Target]:
    """Answer 429 to who has sent wrong credentials too often; a right login is never counted.

    `account` is the field of the JSON body, the form or the query that holds what people log in by (`"email"`; a dotted path
    goes deeper; all requests without it count as one account), a
    function that gives it (it may take path arguments), or None for views that know no account (a code, a token). An answer
    401 or 403 is a failure, whether returned or raised; 2xx is a success, which forgets the failures of this address on
    the account and lets it pass the account's limit from then on; anything else counts for nothing.

    `failed` is for views that show the form again with 200: it is given the response, and says whether it is a failure;
    what is none is a success then, if its status is below 400, so a redirect too.

    `per_address` and `per_account` are rates (`"30/15 minutes"`); by default those of `BACKEND_AUTH_FAILURES_*`, as are
    the growing waits between failures. Views of one `kind` are counted together, with the kit's own login by default.
    Raises `SetupError` for rates that cannot be read.
    """
    if problem := _problem(account, kind, failed):
        raise SetupError(f"@login_limit({problem}")
    find: Callable[[], Any] | None = None
    if account is not None:
        find = FromPath(account) if callable(account) else _Field(account)
    return declare(
        LoginLimit(
            account=find,
            per_address=_rates("per_address", per_address),
            per_account=_rates("per_account", per_account),
            kind=kind,
            failed=failed,
        )
    )


def login_limit_enforcer(failures: Failures) -> Enforcer:
    """The enforcer of `LoginLimit` on the counts of an app."""
    limited: dict[tuple[Rates | None, Rates | None], Failures] = {}

    def limit_failures(declared: LoginLimit) -> Generator[None, Any, Any]:
        rates = declared.per_address, declared.per_account
        held = limited.get(rates)
        if held is None:
            held = limited[rates] = failures.limited_to(per_address=rates[0], per_account=rates[1])
        account = None if declared.account is None else _text(declared.account())
        with held.attempt(address=request.remote_addr, account=account, kind=declared.kind) as attempt:
            try:
                response = yield
            except Exception as error:
                _settle(attempt, _status_of_error(error))
                raise
            if declared.failed is not None:
                response = current_app.make_response(response)
                _settle_as_told(attempt, response, declared.failed)
            else:
                _settle(attempt, _status_of(response))
            if account == NOT_FOUND and attempt.verdict is Verdict.SUCCEEDED:
                attempt.verdict = Verdict.NONE  # that one of them was right says nothing of the others
            return response

    return limit_failures


@dataclass(frozen=True)
class _Field:
    """Reads a field of the JSON body, or of a form."""

    path: str

    def __call__(self) -> Any:
        """What is found wherever a view may look; to write it where it is not looked for is no way round the limit."""
        found = _text(self._in_json())
        if found is None:
            found = _text(request.form.get(self.path)) or _text(request.args.get(self.path))
        return NOT_FOUND if found is None else found

    def _in_json(self) -> Any:
        value = _json_body()
        for name in self.path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value


def _json_body() -> Any:
    """The body as JSON, whatever its type is said to be, since a view may not look at that; None where it is none."""
    try:
        return request.get_json(silent=True) if request.is_json else json.loads(request.get_data(cache=True))
    except (ValueError, RecursionError):
        return None


def _problem(account: Any, kind: Any, failed: Any) -> str:
    if account is not None and not callable(account) and not (isinstance(account, str) and account):
        return f"account={account!r}): write the name of a field, a function, or None."
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        return f"kind={kind!r}): write a short name of letters, digits, . _ and -."
    if failed is not None and not callable(failed):
        return f"failed={failed!r}): write a function of the response that says whether it is a failure."
    return ""


def _rates(option: str, text: str | None) -> Rates | None:
    if text is None:
        return None
    problems: list[str] = []
    rates = read_rates(f"@login_limit: {option}", text, problems)
    if problems:
        raise SetupError(problems[0])
    return rates


def _text(account: Any) -> str | None:
    """What counts as the account; what is no text is none of any account."""
    if isinstance(account, int) and not isinstance(account, bool):
        account = str(account) if account.bit_length() <= MAX_ACCOUNT else None
    return account[:MAX_ACCOUNT] if isinstance(account, str) and account else None


def _settle(attempt: Attempt, status: int | None) -> None:
    if status in WRONG:
        attempt.fail()
    elif status is not None and 200 <= status < 300:  # noqa: PLR2004 - success
        attempt.succeed()


def _settle_as_told(attempt: Attempt, response: Response, failed: Callable[[Response], bool]) -> None:
    if response.status_code in WRONG or failed(response):
        attempt.fail()
    elif response.status_code < 400:  # noqa: PLR2004 - neither the client's fault nor ours
        attempt.succeed()


def _status_of_error(error: Exception) -> int | None:
    """The status that an exception of the view will be answered with, if it is known."""
    if isinstance(error, AppError):
        return error.status
    if isinstance(error, HTTPException):
        return error.code if error.response is None else error.response.status_code
    from ..errors import translate

    translated = translate(error)
    return UnauthorizedError.status if isinstance(translated, UnauthorizedError) else None


def _status_of(response: Any) -> int | None:
    """The status of what a view returns, in whichever of Flask's forms."""
    if isinstance(response, tuple):
        told = next((part for part in response[1:] if isinstance(part, int)), None)
        if told is not None:
            return told
        texts = [part for part in response[1:] if isinstance(part, str)]
        if texts and texts[0][:3].isdecimal():
            return int(texts[0][:3])
        response = response[0]
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return status
    return None if callable(response) else 200  # what a WSGI app answers is known later
