"""What the query parameters of lists are called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from ..._config import SetupError


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Names on the wire: `?page=2&limit=20&sort=-price&order=desc`, `?cursor=...`.

    With `offset` set (`offset="offset"`) a `Page` is asked for by `?offset=40&limit=20` and `page` is not read.
    `filter` makes the name of a filter with an operator: `price_gte`, or `price[gte]` by `"{name}[{operator}]"`.

    Raises `SetupError` when two names are the same, or one is empty.
    """

    page: str = "page"
    limit: str = "limit"
    sort: str = "sort"
    order: str = "order"
    cursor: str = "cursor"
    offset: str | None = None
    filter: str = "{name}_{operator}"

    def __post_init__(self) -> None:
        wire_names = [getattr(self, field.name) for field in fields(self) if field.name != "filter"]
        names = [name for name in wire_names if name is not None]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice or not all(names):
            raise SetupError(f"Parameters: each needs a name of its own; got {', '.join(map(repr, names))}.")
        if "{name}" not in self.filter or "{operator}" not in self.filter:
            raise SetupError(f"Parameters: filter={self.filter!r} needs '{{name}}' and '{{operator}}' in it.")

    def filter_name(self, name: str, operator: str) -> str:
        """The parameter of filter `name` with `operator`; `eq` is the bare name."""
        if operator == "eq":
            return name
        return self.filter.replace("{operator}", operator).replace("{name}", name)
