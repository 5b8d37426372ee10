"""What to complain about in a route table, and what to do about it: the conditions of `--fail-on`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .route_entry import ANY_METHOD, RouteEntry, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Words in a path where somebody sends a secret that others could guess.
GUESSED_WORDS: Final = frozenset(
    {
        *("login", "logon", "signin", "authenticate", "token", "tokens", "password", "passwords", "passwd"),
        *("reset", "resets", "forgot", "otp", "totp", "mfa", "2fa"),
    }
)
PLACEHOLDER: Final = re.compile(r"<[^<>]*>")
WORD_END: Final = re.compile(r"[-_.~]+")
# `log-in` and `sign-in` are one word each.
SPLIT_WORDS: Final = re.compile(r"\b(log|sign)[-_](in|on)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A fault that a route can have: what it is, how to mend it, and whether a route has it.

    `culprits` are named before the fix.
    """

    name: str
    meaning: str
    fix: str
    holds: Callable[[RouteEntry], object]
    culprits: Callable[[RouteEntry], tuple[str, ...]] = lambda _: ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A route that has the fault called `condition`, and how to mend it."""

    condition: str
    entry: RouteEntry
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.condition}: {self.entry.method} {self.entry.location} ({self.entry.endpoint}): {self.fix}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The same in plain values, for JSON."""
        entry = self.entry
        return {
            "condition": self.condition,
            "method": entry.method,
            "location": entry.location,
            "endpoint": entry.endpoint,
            "fix": self.fix,
        }


def is_login(entry: RouteEntry) -> bool:
    """Whether it takes credentials: by its declaration, or because it is a POST with such a word in its rule."""
    if entry.source is not Source.VIEW:
        return False
    if "credentials" in entry.columns:
        return True
    return entry.method in ("POST", ANY_METHOD) and not GUESSED_WORDS.isdisjoint(_words(entry.rule))


def _words(rule: str) -> set[str]:
    said = PLACEHOLDER.sub("", rule).lower()
    joined = SPLIT_WORDS.sub(r"\1\2", said)
    return {word for segment in joined.split("/") for word in WORD_END.split(segment)}


def _is_limited(entry: RouteEntry) -> bool:
    """Whether somebody has thought of this route: what the settings say of all is no limit on guessing."""
    said = entry.columns.get("limit", "").split(" & ")
    return any(text and text != "none" and not text.startswith("default:") for text in said)


def _is_uncached(entry: RouteEntry) -> bool:
    return entry.method in ("GET", ANY_METHOD) and entry.is_public and "cache" not in entry.columns


CONDITIONS: Final[Mapping[str, Condition]] = {
    condition.name: condition
    for condition in (
        Condition(
            name="undeclared",
            meaning="nothing says who may call it",
            fix="put @require_auth, @require_permission(...) or @public(reason=...) on the view, below its route.",
            holds=lambda entry: entry.is_undeclared,
        ),
        Condition(
            name="unlimited-login",
            meaning="takes credentials, and nothing limits how often they may be guessed",
            fix="count failed attempts: @login_limit, as the routes of login_blueprint do.",
            holds=lambda entry: is_login(entry) and not _is_limited(entry),
        ),
        Condition(
            name="uncached",
            meaning="a GET for everybody that is made anew each time",
            fix="keep what it answers in a cache and say so in the column `cache`, or leave the route out by a filter.",
            holds=_is_uncached,
        ),
        Condition(
            name="undocumented",
            meaning="not in the OpenAPI document",
            fix="register its blueprint on the Api (api.register_blueprint), or leave the route out by a filter.",
            holds=lambda entry: entry.documented is False,
        ),
        Condition(
            name="bypassed",
            meaning="has decorators above its route, which enforce nothing",
            fix="put these decorators below the one that makes the route.",
            holds=lambda entry: entry.bypassed,
            culprits=lambda entry: entry.bypassed,
        ),
        Condition(
            name="unknown-role",
            meaning="needs a role that BACKEND_AUTH_ROLES does not have",
            fix="correct the name in @require_role, or add the role to BACKEND_AUTH_ROLES.",
            holds=lambda entry: entry.unknown_roles,
            culprits=lambda entry: entry.unknown_roles,
        ),
        Condition(
            name="ungranted",
            meaning="needs a permission that no role grants",
            fix="correct the name, or grant it to a role (with :own only where the view says whose it is).",
            holds=lambda entry: entry.ungranted,
            culprits=lambda entry: entry.ungranted,
        ),
        Condition(
            name="deprecated",
            meaning="marked by @deprecated",
            fix="take the route out, or leave it out by a filter until its sunset.",
            holds=lambda entry: "deprecation" in entry.columns,
        ),
        Condition(
            name="public",
            meaning="declared to be for everybody",
            fix="put @require_auth or @require_permission(...) in the place of @public.",
            holds=lambda entry: entry.is_public,
        ),
    )
}


# Those that need the roles of the app: see `Access.judged`.
ABOUT_ROLES: Final = frozenset({"unknown-role", "ungranted"})


def find_faults(entries: Iterable[RouteEntry], names: Iterable[str]) -> list[Finding]:
    """A finding for each of the conditions called `names` that holds of an entry; `KeyError` for an unknown name."""
    wanted = [CONDITIONS[name] for name in dict.fromkeys(names)]
    return [
        Finding(condition=condition.name, entry=entry, fix=_fix(condition, entry))
        for entry in entries
        for condition in wanted
        if condition.holds(entry)
    ]


def _fix(condition: Condition, entry: RouteEntry) -> str:
    culprits = ", ".join(dict.fromkeys(condition.culprits(entry)))
    return f"{culprits}: {condition.fix}" if culprits else condition.fix
