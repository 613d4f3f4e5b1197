"""Parses and applies conditions on columns.

A condition is COLUMN OPERATOR VALUE, such as `width>=1000`; all of several must hold. They are compared in memory with
the columns of a snapshot: nothing that a person writes ever becomes SQL.

    =  !=         equal, and not so; text whatever its case, with * and ? for anything; a list if one of it is equal
    <  <=  >  >=  numbers, dates, and text by its characters
    folder=trips  in that folder or anywhere below it
    taken=2024-05 at any time of that month; <=2024-05 includes all of it
    camera=       nothing known; camera!= something known

An image without a value meets only `!=` and the empty `=`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import QueryError
from core.validation import TEXT, require
from indexer.collection.storage.columns import EQUAL, HIDDEN, kind_of

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
ALIASES = {"tag": "tags"}  # other names of columns, where no column has them
_OPERATOR = re.compile(r"\s*(<=|>=|!=|==|=|<|>|:)\s*")
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """One comparison. `value` is a number, a date or datetime, text, a bool, or any of them as text; None is not a
    value.

    Raises `QueryError` for an unknown operator."""

    column: str
    operator: str
    value: Any = None

    def __post_init__(self) -> None:
        require("a column", self.column, TEXT)
        if self.operator not in OPERATORS:
            raise QueryError(f"unknown operator {self.operator!r}; choose one of: {' '.join(OPERATORS)}")

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{'' if self.value is None else self.value}"

    def marks(self, images: Any) -> np.ndarray:
        """(n,) bool: the rows of a table that meet it. Raises `QueryError` for a column or a value that is wrong."""
        column = _column(images, self.column)
        kind = kind_of(images.schema.field(self.column).type)
        if kind is None:
            raise QueryError(
                f"{self.column} is of type {images.schema.field(self.column).type}, which cannot be compared; "
                f"{listing(_types(images))}"
            )
        operator = EQUAL if self.operator == "!=" else self.operator
        if operator not in kind.operators:
            raise QueryError(f"{self.column} is {kind.name}: it can only be compared with = and !=")
        if operator == EQUAL and (self.value is None or self.value == ""):
            found = _missing(column)
        else:
            found = kind.marks(column, operator, self.value, self.column)
        return ~found if self.operator == "!=" else found


@dataclass(frozen=True)
class Filter:
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def mask(self, images: Any) -> np.ndarray:
        """(n,) bool: the rows of a pyarrow table that meet every condition. Raises `QueryError`."""
        found = np.ones(images.num_rows, bool)
        for condition in self.conditions:
            found &= condition.marks(images)
        return found


def parse(text: str, columns: Mapping[str, Any]) -> Filter:
    """The filter that a condition written as text means. Raises `QueryError`; for an unknown column it lists all."""
    return Filter((condition(text, columns),))


def resolve(
    where: str | Condition | Filter | Iterable[str | Condition | Filter] | None, columns: Mapping[str, Any]
) -> Filter:
    """One filter of one or several conditions, as text or as objects. Raises `QueryError`."""
    if where is None:
        return Filter()
    found: list[Condition] = []
    for one in [where] if isinstance(where, str | Condition | Filter) else where:
        if isinstance(one, Filter):
            found += one.conditions
        else:
            found.append(condition(one, columns) if isinstance(one, str) else one)
    for each in found:
        if each.column not in columns:
            raise unknown_column(each.column, columns)
    return Filter(tuple(found))


def condition(text: str, columns: Mapping[str, Any]) -> Condition:
    """A condition written as COLUMN OPERATOR VALUE. A colon is an equals sign; the value may stand in quotes."""
    found = split(text, columns)
    if found is not None:
        return found
    match = re.search(r"<=|>=|!=|=|<|>|:", text)
    if match is None:
        raise QueryError(
            f"{text!r} is not a condition: write COLUMN, one of {' '.join(OPERATORS)}, and a value, such as "
            f"width>=1000; {listing(columns)}"
        )
    raise unknown_column(text[: match.start()].strip(), columns)


def split(text: str, columns: Mapping[str, Any]) -> Condition | None:
    """`condition`, but None where the text does not begin with the name of a column and an operator."""
    text = text.strip()
    others = [name for name, meant in ALIASES.items() if meant in columns and name not in columns]
    for name in sorted([*columns, *others], key=len, reverse=True):  # a name may hold spaces, and begin like another
        if text[: len(name)].casefold() == name.casefold() and (match := _OPERATOR.match(text, len(name))):
            value = text[match.end() :].strip()
            quoted = _QUOTED.fullmatch(value)
            operator = {":": "=", "==": "="}.get(match[1], match[1])
            return Condition(ALIASES[name] if name in others else name, operator, quoted[1] if quoted else value)
    return None


def unknown_column(name: str, columns: Mapping[str, Any]) -> QueryError:
    """The error for a column that is not there: the nearest ones, then all with their types."""
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.6)
    return QueryError(
        f"unknown column {name!r}" + (f", nearest: {', '.join(near)}" if near else "") + f"; {listing(columns)}"
    )


def listing(columns: Mapping[str, Any]) -> str:
    """The columns that can be compared, with what is in them."""
    kinds = {name: kind_of(columns[name]) for name in sorted(columns) if name not in HIDDEN}
    return "the columns are: " + ", ".join(f"{name} ({kind.name})" for name, kind in kinds.items() if kind)


def _types(images: Any) -> dict[str, Any]:
    return {field.name: field.type for field in images.schema}


def _column(images: Any, name: str) -> Any:
    """A column in one piece, dictionaries unfolded."""
    import pyarrow as pa

    if name not in images.schema.names:
        raise unknown_column(name, _types(images))
    column = images[name].combine_chunks()
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _missing(column: Any) -> np.ndarray:
    """The rows that have no value: nothing, an empty text, an empty list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    empty: np.ndarray = ~column.is_valid().to_numpy(zero_copy_only=False)
    measure = pc.list_value_length if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) else None
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        measure = pc.binary_length
    if measure is not None:
        empty = empty | (measure(column).fill_null(0).to_numpy(zero_copy_only=False) == 0)
    return empty
