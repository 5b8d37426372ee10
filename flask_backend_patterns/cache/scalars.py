"""Plain values that MessagePack has no type for, as bytes and back: each comes back equal, and of the same type."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from .uncacheable import UncacheableValueError

if TYPE_CHECKING:
    from collections.abc import Callable

# Codes of MessagePack extensions: what is stored bears them, so a code never gets another meaning. 11 and up: encoding.py
BIG_INT, SURROGATES, DATE, DATETIME, TIME = 1, 2, 3, 4, 5
ZONED_DATETIME, ZONED_TIME, DURATION, DECIMAL, UUID_ = 6, 7, 8, 9, 10

MIN_INT, MAX_INT = -(2**63), 2**64 - 1  # what MessagePack holds by itself
_MICROSECOND: Final = timedelta(microseconds=1)
_TIMEZONE_ARGUMENTS_WITH_NAME: Final = 2


def pack_int(value: int) -> msgspec.msgpack.Ext:
    """Of any size, as two's complement."""
    length = value.bit_length() // 8 + 1
    return msgspec.msgpack.Ext(BIG_INT, value.to_bytes(length, "big", signed=True))


def pack_str(value: str) -> str | msgspec.msgpack.Ext:
    """The text itself unless it has lone surrogates (`json.loads` lets them in), which UTF-8 does not have."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return msgspec.msgpack.Ext(SURROGATES, value.encode("utf-8", "surrogatepass"))
    return value


def _pack_date(value: date) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(DATE, value.isoformat().encode())


def _pack_datetime(value: datetime) -> msgspec.msgpack.Ext:
    if not value.fold and _is_plain(value.tzinfo):
        return msgspec.msgpack.Ext(DATETIME, value.isoformat().encode())
    return msgspec.msgpack.Ext(ZONED_DATETIME, _zoned(value))


def _pack_time(value: time) -> msgspec.msgpack.Ext:
    if not value.fold and _is_plain(value.tzinfo):
        return msgspec.msgpack.Ext(TIME, value.isoformat().encode())
    return msgspec.msgpack.Ext(ZONED_TIME, _zoned(value))


def _pack_duration(value: timedelta) -> msgspec.msgpack.Ext:
    parts = (value.days, value.seconds, value.microseconds)
    return msgspec.msgpack.Ext(DURATION, msgspec.msgpack.encode(parts))


def _pack_decimal(value: Decimal) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(DECIMAL, str(value).encode())


def _pack_uuid(value: UUID) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(UUID_, value.bytes)


def _zoned(value: datetime | time) -> bytes:
    zone = _pack_zone(value.tzinfo, value)
    return msgspec.msgpack.encode((value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone))


def _is_plain(zone: tzinfo | None) -> bool:
    """Whether ISO 8601 says all of it."""
    return zone is None or (type(zone) is timezone and len(_arguments(zone)) < _TIMEZONE_ARGUMENTS_WITH_NAME)


def _arguments(zone: timezone) -> tuple[Any, ...]:
    return zone.__getinitargs__()  # type: ignore[attr-defined,no-any-return]  # for pickle; offset and perhaps a name


def _pack_zone(zone: tzinfo | None, value: datetime | time) -> Any:
    """None; the key of a `ZoneInfo`; (offset in microseconds,), for other classes of zones too; (offset, name)."""
    if zone is None:
        return None
    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    if type(zone) is timezone:
        offset, *name = _arguments(zone)
        return (offset // _MICROSECOND, *name)
    offset = value.utcoffset()
    if offset is None:
        raise UncacheableValueError(f"{type(zone).__qualname__} is a time zone without an offset here")
    return (offset // _MICROSECOND,)


def _unpack_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    offset, *name = zone
    return timezone(timedelta(microseconds=offset), *name)


def _unpack_zoned_datetime(data: memoryview) -> datetime:
    text, fold, zone = msgspec.msgpack.decode(data)
    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=_unpack_zone(zone))


def _unpack_zoned_time(data: memoryview) -> time:
    text, fold, zone = msgspec.msgpack.decode(data)
    return time.fromisoformat(text).replace(fold=fold, tzinfo=_unpack_zone(zone))


def _unpack_duration(data: memoryview) -> timedelta:
    days, seconds, microseconds = msgspec.msgpack.decode(data)
    return timedelta(days, seconds, microseconds)


PACK: Final[dict[type, Callable[[Any], Any]]] = {
    date: _pack_date,
    datetime: _pack_datetime,
    time: _pack_time,
    timedelta: _pack_duration,
    Decimal: _pack_decimal,
    UUID: _pack_uuid,
}

# Whatever is wrong with the bytes is an exception of one kind or another.
UNPACK: Final[dict[int, Callable[[memoryview], Any]]] = {
    BIG_INT: lambda data: int.from_bytes(data, "big", signed=True),
    SURROGATES: lambda data: str(data, "utf-8", "surrogatepass"),
    DATE: lambda data: date.fromisoformat(str(data, "ascii")),
    DATETIME: lambda data: datetime.fromisoformat(str(data, "ascii")),
    TIME: lambda data: time.fromisoformat(str(data, "ascii")),
    ZONED_DATETIME: _unpack_zoned_datetime,
    ZONED_TIME: _unpack_zoned_time,
    DURATION: _unpack_duration,
    DECIMAL: lambda data: Decimal(str(data, "ascii")),
    UUID_: lambda data: UUID(bytes=bytes(data)),
}
