"""The two forms of a decision, `scope_for` and `can`, held against each other over the rows of a test.

```python
def test_refundable_orders(app, session):
    with app.app_context():
        assert_scope_matches(session, support, "orders:refund", Order)
```
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .. import Actor

MAX_SHOWN_ROWS = 20
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def assert_scope_matches(
    session: Session, actor: Actor, permission: str, model: Any, *, extra: Mapping[str, Any] = _NOTHING
) -> None:
    """Raise `AssertionError` unless `scope_for` selects just those rows of `model` for which `can` says yes.

    It names the rows that differ by their keys. Store rows on both sides of each limit before, with NULLs: an empty
    table is an `AssertionError` too, since it shows nothing. Needs an app context.
    """
    from sqlalchemy import inspect, select

    from .. import can, scope_for

    __tracebackhide__ = True  # pytest shows the line that called this
    rows = session.scalars(select(model)).unique().all()
    if not rows:
        raise AssertionError(f"There are no rows of {model.__name__} to compare; store some first.")
    scope = scope_for(actor, permission, model, extra=extra)
    selected = {inspect(row).identity for row in session.scalars(select(model).where(scope)).unique()}
    differing = [
        f"{model.__name__} {_shown(identity)}: scope_for says {_word(identity in selected)}, can says {_word(allowed)}"
        for row in rows
        if (allowed := can(actor, permission, row, extra=extra))
        is not ((identity := inspect(row).identity) in selected)
    ]
    if differing:
        hidden = len(differing) - MAX_SHOWN_ROWS
        more = [f"... and {hidden} more rows"] if hidden > 0 else []
        head = f"{permission}: the criterion and the function of a policy, or of an owner, do not agree:"
        raise AssertionError("\n".join((head, *differing[:MAX_SHOWN_ROWS], *more)))


def _shown(identity: tuple[Any, ...]) -> str:
    return ", ".join(map(repr, identity))


def _word(says: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if says else "no"
