"""The kinds of columns and how their values compare with what a person writes.

A column's Arrow type decides its kind. Each kind reads a value (text as typed, or a Python value) and marks the rows
that meet a comparison; rows without a value are never marked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from core.errors import QueryError
from indexer.collection.storage.arrays import numbers

EQUAL = "="
ORDERED = ("=", "<", "<=", ">", ">=")
LONGEST_NUMBER = 30  # digits; a longer one is compared as a float, and 1e999999999 is never written out
YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_DATE = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
_FIRST = datetime(1970, 1, 1)  # microseconds since then, in whatever zone the column has
HIDDEN = frozenset(("_rowid", "texts_key", "columns_key", "mtime_ns", "embedded", "thumbnail", "vector"))
"""Columns of `images` that are of no use to people."""


@dataclass(frozen=True)
class Kind:
    """How one kind of column is compared: `marks(column, operator, value, name)` -> (n,) bool."""

    name: str  # as people read it in a message
    example: str
    operators: tuple[str, ...]
    marks: Callable[[Any, str, Any, str], np.ndarray]


def kind_of(arrow_type: Any) -> Kind | None:
    """The kind of a column; None for one that cannot be compared."""
    import pyarrow as pa

    kind = pa.types
    if kind.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if kind.is_boolean(arrow_type):
        return BOOLEAN
    if kind.is_integer(arrow_type) or kind.is_floating(arrow_type) or kind.is_decimal(arrow_type):
        return NUMBER
    if kind.is_timestamp(arrow_type) or kind.is_date(arrow_type):
        return DATE
    if _is_text(arrow_type):
        return TEXT
    if (kind.is_list(arrow_type) or kind.is_large_list(arrow_type)) and _is_text(arrow_type.value_type):
        return TEXTS
    return None


def _is_text(arrow_type: Any) -> bool:
    import pyarrow as pa

    return any(is_it(arrow_type) for is_it in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _wrong(name: str, kind: Kind, value: Any) -> QueryError:
    return QueryError(f"{name} is {kind.name}, and {value!r} is none: write it like {name}{kind.example}")


# --- numbers ---------------------------------------------------------------------------------------------------------


def _numbers(column: Any, operator: str, value: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    number = _number(value, name)
    if pa.types.is_integer(column.type):
        exact = int(number) if abs(number.adjusted()) < LONGEST_NUMBER and number == int(number) else float(number)
        return _present(column) & _compare(column.fill_null(0).to_numpy(), operator, exact)
    wanted = float(number)
    if pa.types.is_float32(column.type) and operator == EQUAL:
        wanted = float(np.float32(wanted))  # 0.1 is found where 0.1 was stored
    return _present(column) & _compare(column.cast(pa.float64()).fill_null(0).to_numpy(), operator, wanted)


def _number(value: Any, name: str) -> Decimal:
    if isinstance(value, np.number):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise _wrong(name, NUMBER, value)
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise _wrong(name, NUMBER, value) from None
    if not number.is_finite():
        raise _wrong(name, NUMBER, value)
    return number


# --- dates -----------------------------------------------------------------------------------------------------------


def _dates(column: Any, operator: str, value: Any, name: str) -> np.ndarray:
    """A date that is not told to the second means all of its year, month, day or minute."""
    import pyarrow as pa

    zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
    first, past = (_microseconds(moment, zoned, name) for moment in _span(value, name))
    micros = column.cast(pa.timestamp("us", tz=column.type.tz if zoned else None), safe=False).cast(pa.int64())
    stamps = micros.fill_null(0).to_numpy()
    match operator:
        case "=":
            found = (stamps >= first) & (stamps < past)
        case "<" | ">=":
            found = _compare(stamps, operator, first)
        case _:  # up to and including the whole of it; after all of it
            found = stamps < past if operator == "<=" else stamps >= past
    return _present(column) & found


def _span(value: Any, name: str) -> tuple[datetime, datetime]:
    """What a date covers: its first moment, and the first one after it."""
    if isinstance(value, datetime):
        return value, value + timedelta(microseconds=1)
    if isinstance(value, date):
        value = value.isoformat()
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _wrong(name, DATE, value)
    year, month, day, hour, _, second = (None if part is None else int(part) for part in match.groups()[:6])
    try:
        if hour is not None:
            moment = datetime.fromisoformat(_padded(match))
            return moment, moment + (timedelta(minutes=1) if second is None else timedelta(seconds=1))
        first = datetime(year or 0, month or 1, day or 1)  # what people write has no zone
        if day is not None:
            return first, first + timedelta(days=1)
        if month is not None:
            return first, datetime(first.year + month // 12, month % 12 + 1, 1)
        return first, datetime(first.year + 1, 1, 1)
    except (ValueError, OverflowError):
        raise _wrong(name, DATE, value) from None


def _padded(match: re.Match[str]) -> str:
    year, month, day, hour, minute, second, zone = match.groups()
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}:{second or '00'}{zone or ''}"


def _microseconds(moment: datetime, zoned: bool, name: str) -> int:
    """Since 1970: in universal time for a column with a zone (a moment without one is local time), else as written."""
    if zoned:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except (OverflowError, OSError, ValueError):
            raise _wrong(name, DATE, str(moment)) from None
    if moment.tzinfo is not None:
        raise QueryError(f"{name} has no time zone: leave it out of {moment}")
    return (moment - _FIRST) // timedelta(microseconds=1)


# --- words -----------------------------------------------------------------------------------------------------------


def _texts(column: Any, operator: str, value: Any, name: str) -> np.ndarray:
    """Equal whatever the case, `*` and `?` stand for anything; in order, as sorted by character."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(value, str):
        raise _wrong(name, TEXT, value)
    try:
        wanted = pa.scalar(value, pa.large_string())
    except UnicodeEncodeError:
        raise QueryError(f"{name}: {value!r} holds bytes that are not text") from None
    if column.type != pa.large_string():
        column = column.cast(pa.large_string())
    if operator != EQUAL:
        order = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}[operator]
        return _marked(order(column, wanted))
    lowered, pattern = pc.utf8_lower(column), pc.utf8_lower(wanted).as_py()
    if name == "folder":  # a folder and all below it
        pattern = re.sub(r"(/\*{1,2}|/)$", "", pattern) if pattern != "/" else ""
        if pattern:
            return _marked(pc.match_substring_regex(lowered, rf"(?s)\A{_expression(pattern)}(/.*)?\z"))
    if "*" not in pattern and "?" not in pattern:
        return _marked(pc.equal(lowered, pa.scalar(pattern, pa.large_string())))
    return _marked(pc.match_substring_regex(lowered, rf"(?s)\A{_expression(pattern)}\z"))


def _expression(pattern: str) -> str:
    """A pattern with `*` and `?` as a regular expression (of RE2, which takes time linear in the text)."""
    return "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in re.sub(r"\*+", "*", pattern))


def _lists(column: Any, operator: str, value: Any, name: str) -> np.ndarray:
    """Any of the texts in the list."""
    import pyarrow.compute as pc

    owners = pc.list_parent_indices(column).to_numpy()
    found = np.zeros(len(column), bool)
    found[owners[_texts(pc.list_flatten(column), operator, value, name)]] = True
    return found


def _booleans(column: Any, operator: str, value: Any, name: str) -> np.ndarray:
    wanted = YES_NO.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(wanted, bool | np.bool_):
        raise _wrong(name, BOOLEAN, value)
    return _present(column) & (column.fill_null(False).to_numpy(zero_copy_only=False) == wanted)


# --- what they share -------------------------------------------------------------------------------------------------


def _compare(values: np.ndarray, operator: str, value: Any) -> np.ndarray:
    match operator:
        case "=":
            found = values == value
        case "<":
            found = values < value
        case "<=":
            found = values <= value
        case ">":
            found = values > value
        case _:
            found = values >= value
    return np.broadcast_to(np.asarray(found, bool), values.shape)


def _present(column: Any) -> np.ndarray:
    return numbers(column.is_valid())


def _marked(found: Any) -> np.ndarray:
    return numbers(found.fill_null(False))


NUMBER = Kind("a number", ">=1000", ORDERED, _numbers)
DATE = Kind("a date", ">=2024-05-31", ORDERED, _dates)
TEXT = Kind("text", "=word*", ORDERED, _texts)
TEXTS = Kind("a list of texts", "=word*", (EQUAL,), _lists)
BOOLEAN = Kind("yes or no", "=yes", (EQUAL,), _booleans)
