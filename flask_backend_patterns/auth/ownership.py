"""Whose something is: `__owner__` on a class names the attribute that holds the owner's id, or is a function of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from .._config import SetupError
from .policy_rules import policy

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from .identity import Actor
    from .policy_rules import Context, Policy

OWNER = "__owner__"


def is_own(actor: Actor, owner_id: Any) -> bool:
    """Whether `owner_id`, of any type, is the actor's; never for anonymous callers, None and the empty string."""
    return owner_id is not None and actor.is_authenticated and actor.id != "" and str(owner_id) == actor.id


def owns(actor: Actor, thing: Any) -> bool:
    """Whether `thing` is the actor's; nobody owns None. Raises `SetupError` when its class has no `__owner__`.

    Compare ids by this and not by `==`: the actor's is text, whatever type the column has.
    """
    return thing is not None and is_own(actor, owner_of(type(thing), thing))


def owner_of(kind: type, thing: Any) -> Any:
    """The owner's id of `thing` by the `__owner__` of `kind`, or the column when `thing` is the class.

    `__owner__ = None` says that such things are nobody's. Raises `SetupError` without an `__owner__`, and when it names
    no attribute.
    """
    found = next((vars(base) for base in kind.__mro__ if OWNER in vars(base)), None)
    if found is None:
        raise SetupError(
            f'{kind.__name__} does not say whose it is: give the class __owner__ = "user_id", the attribute that holds '
            "the owner's id, or a function of the object; __owner__ = None when it is nobody's."
        )
    named = found[OWNER]
    if named is None:
        return None
    if isinstance(named, str):
        try:
            return getattr(thing, named)
        except AttributeError as error:
            raise SetupError(
                f"{kind.__name__}.__owner__ is {named!r}, which it has no attribute for."
            ) from error
    if isinstance(named, (staticmethod, classmethod)):
        named = named.__func__
    if not callable(named):
        raise SetupError(f"{kind.__name__}.__owner__ is {named!r}; name an attribute, or write a function.")
    return named(thing)


def owner_criterion(actor: Actor, model: Any) -> ColumnElement[bool]:
    """The rows of `model` that are the actor's, as `owns` finds them; `model` may be `aliased`."""
    from sqlalchemy import false, inspect

    column = owner_of(inspect(model).mapper.class_, model)
    if column is None or not actor.is_authenticated or actor.id == "":
        return false()
    value = _bound(column, actor.id, model)
    if value is None:
        return false()
    criterion: ColumnElement[bool] = column == value
    return criterion


def _bound(column: Any, actor_id: str, model: Any) -> Any:
    """The actor's id as a value of the column's type; None when no value of that type is written like it."""
    from sqlalchemy import BigInteger, TypeDecorator, literal

    kind = getattr(column, "type", None)  # none: an association proxy, or a comparator of the user's
    wanted = _python_type(kind)
    if wanted is str:
        return actor_id if _is_storable(actor_id) else None
    if wanted is uuid.UUID:
        found = _parsed(uuid.UUID, actor_id)
        return actor_id if found is not None and not getattr(kind, "as_uuid", True) else found
    if wanted is not int:
        raise SetupError(
            f"The owner of {model!r} is a column of {kind!r}; "
            "ids of callers are compared with text, numbers and UUIDs only."
        )
    number = _parsed(int, actor_id)
    if isinstance(kind, TypeDecorator):  # it may change what is stored, so it has to see the value
        return number if number is not None and _fits(number, 32) else None
    # Compared as 64 bits whatever the column has: an id out of its range is nobody's, and no error.
    return literal(number, BigInteger()) if number is not None and _fits(number, 64) else None


def _python_type(kind: Any) -> type:
    from sqlalchemy import TypeDecorator, Uuid

    inner = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    if isinstance(inner, Uuid):
        return uuid.UUID
    try:
        found: type = inner.python_type
    except (
        AttributeError,
        RuntimeError,
    ):  # a type of the user's own, which SQLAlchemy knows no Python type for
        return str
    return found


def _fits(number: int, bits: int) -> bool:
    return -(1 << bits - 1) <= number < 1 << bits - 1


def _parsed(kind: type, text: str) -> Any:
    """`text` as a `kind` that is written exactly so: not 007, which `owns` would tell from 7."""
    try:
        value = kind(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def _is_storable(text: str) -> bool:
    """No database stores a NUL or half a surrogate pair, so no row has an owner like that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _is_own_thing(actor: Actor, resource: Any, context: Context) -> bool:
    del context
    if resource is None:
        raise SetupError("The policy not_own has to see whose something is: say resource= where it is asked.")
    return owns(actor, resource)


def _own_rows(actor: Actor, model: Any, context: Context) -> ColumnElement[bool]:
    del context
    return owner_criterion(actor, model)


# Holds for what is somebody else's or nobody's, by `__owner__`; about no permission until it is joined with one that is.
not_own: Policy = policy(name="not_own")(~policy(name="own")(_is_own_thing).criterion(_own_rows))
