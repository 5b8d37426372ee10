"""Joins what several declarations say about one route into one text a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .route_entry import Need

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..declarations import Declaration

AUTHENTICATION = "authentication"
OPTIONAL = "optional"
AND = " & "
OR = " | "


class PolicyNames(Protocol):
    """The policies of an app, by name."""

    def names_about(self, permission: str) -> tuple[str, ...]:
        """Those that limit it."""

    def permission_of(self, policy: Any) -> str | None:
        """The permission that a policy, or the one of that name, limits."""


def declared_columns(
    declarations: Iterable[Declaration], method: str, limits: PolicyNames | None = None
) -> dict[str, str]:
    """Column -> text for `method` (in capitals); where two declarations fill one column, both hold: joined by `&`.

    `limits` adds the policies about each permission that is needed.
    """
    said: dict[str, list[str]] = {}
    for declaration in declarations:
        words_of = declaration.audit(method)
        facts = [*words_of.items()]
        permission = permission_in(declaration, words_of, limits)
        if permission is not None and limits is not None:
            facts += [
                ("permission", permission),
                *(("policy", name) for name in limits.names_about(permission)),
            ]
        for column, text in facts:
            texts = said.setdefault(column, [])
            words = " ".join(str(text).split())
            if words and words not in texts:
                texts.append(words)
    return {column: _joined(column, texts) for column, texts in said.items() if texts}


def needs_of(
    declarations: Iterable[Declaration], method: str, limits: PolicyNames | None = None
) -> tuple[Need, ...]:
    """What the declarations ask of a caller by the columns `roles` and `permission`, each its own `Need`."""
    needs = []
    for declaration in declarations:
        said = declaration.audit(method)
        need = Need(
            roles=tuple(said["roles"].split(OR)) if said.get("roles") else (),
            permission=permission_in(declaration, said, limits),
            own_suffices=bool(said.get("ownership")) or getattr(declaration, "resource", None) is not None,
        )
        if need.roles or need.permission is not None:
            needs.append(need)
    return tuple(needs)


def permission_in(
    declaration: Declaration, said: Mapping[str, str], limits: PolicyNames | None
) -> str | None:
    """The permission that is needed: the one said, or the one that the policy said limits."""
    if "permission" in said or limits is None:
        return said.get("permission") or None
    policy = getattr(declaration, "policy", None)
    return None if policy is None else limits.permission_of(policy)


def common_columns(each: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """One answer for several methods: a column is kept with the text they share, else with all of them."""
    answers = list(each)
    columns = dict.fromkeys(column for answer in answers for column in answer)
    merged = {}
    for column in columns:
        texts = dict.fromkeys(answer[column] for answer in answers if column in answer)
        merged[column] = ", or ".join(texts)
    return merged


def _joined(column: str, texts: list[str]) -> str:
    if column == AUTHENTICATION:
        texts = _strictest(texts)
    if len(texts) > 1:
        texts = [f"({text})" if OR in text else text for text in texts]
    return AND.join(texts)


def _strictest(texts: list[str]) -> list[str]:
    """Without what another one implies: `required, fresh 300 s` is `required`, and `required` ends `optional`."""
    kept = [
        text for text in texts if not any(other != text and other.startswith(f"{text},") for other in texts)
    ]
    firm = [text for text in kept if not text.startswith(OPTIONAL)]
    return firm or kept
