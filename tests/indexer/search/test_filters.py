"""Does a filter keep exactly the rows that a person means, and say what is wrong with the others?"""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import QueryError
from indexer.search import filters
from indexer.search.filters import Condition, Filter

ROWS = [
    # id, width, price, taken, camera, folder, tags, seen, shot (with a zone)
    ("a.jpg", 100, 1.5, datetime(2023, 12, 31, 23, 59, 59), "Canon EOS", "", ["beach", "Sea"], True),
    ("trips/b.jpg", 200, None, datetime(2024, 1, 1), "canon eos", "trips", [], False),
    ("trips/c.jpg", 1000, 0.1, datetime(2024, 5, 31, 12, 30, 45), "Nikon*", "trips/2024", ["sea"], None),
    ("tripsy/d.jpg", 1001, -2.0, datetime(2024, 6, 1), None, "tripsy", None, True),
    ("e.jpg", None, 1e300, None, "", "Trips/Old", ["x'; DROP TABLE images"], False),
]
NAMES = ("id", "width", "price", "taken", "camera", "folder", "tags", "seen")
TYPES = {
    "id": pa.string(),
    "width": pa.int32(),
    "price": pa.float64(),
    "taken": pa.timestamp("us"),
    "camera": pa.string(),
    "folder": pa.string(),
    "tags": pa.list_(pa.string()),
    "seen": pa.bool_(),
}
TABLE = pa.table({name: pa.array([row[n] for row in ROWS], TYPES[name]) for n, name in enumerate(NAMES)})


def kept(*texts: str, table: Any = TABLE) -> str:
    """The rows that stay, as letters a to e."""
    columns = {field.name: field.type for field in table.schema}
    mask = filters.resolve(list(texts), columns).mask(table)
    assert mask.dtype == bool
    return "".join("abcdefgh"[row] for row in np.flatnonzero(mask))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("width>=1000", "cd"),
        ("width > 1000", "d"),
        ("width<200", "a"),
        ("width<=2e2", "ab"),
        ("width=1000.0", "c"),
        ("width=1000.5", ""),
        ("width!=1000", "abde"),  # what is unknown is not 1000
        ("width=", "e"),
        ("width!=", "abcd"),
        ("width>-99999999999999999999999999999999999", "abcd"),
        ("width<1e999999999", "abcd"),
        ("price=0.1", "c"),
        ("price>1e299", "e"),
        ("price<0", "d"),
        ("taken>=2024-01-01", "bcd"),
        ("taken>=2024", "bcd"),
        ("taken>2024", ""),
        ("taken<2024", "a"),
        ("taken<=2023", "a"),
        ("taken<=2024-05", "abc"),
        ("taken>2024-05", "d"),
        ("taken=2024-05", "c"),
        ("taken=2024-5-31", "c"),
        ("taken=2024-05-31T12:30", "c"),
        ("taken=2024-05-31 12:30:44", ""),
        ("taken=2023-12", "a"),
        ("taken=", "e"),
        ("camera=canon eos", "ab"),
        ("camera=CANON*", "ab"),
        ("camera=*o?*", "abc"),
        ('camera="Canon EOS"', "ab"),
        ("camera:canon*", "ab"),
        ("camera!=canon*", "cde"),
        ("camera=", "de"),
        ("camera!=", "abc"),
        ("camera=nikon*", "c"),
        ("camera=.*", ""),
        ("folder=trips", "bce"),
        ("folder=trips/*", "bce"),
        ("folder=trips/", "bce"),
        ("folder=trips/2*", "c"),
        ("folder=trips/2024", "c"),
        ("folder=", "a"),
        ("folder=/", "a"),
        ("folder=*", "abcde"),
        ("folder!=trips", "ad"),
        ("tags=SEA", "ac"),
        ("tags=*e*", "ace"),
        ("tags!=sea", "bde"),
        ("tags=", "bd"),
        ("tags=x'; drop table images", "e"),
        ("seen=yes", "ad"),
        ("seen=False", "be"),
        ("seen!=yes", "bce"),
        ("seen=", "c"),
        ("id>=b", "bcde"),
        ("id<b", "a"),
        ("id='; DROP TABLE images; --", ""),
        ("id=a.jpg\0", ""),
        ("ID=A.JPG", "a"),
    ],
)
def test_a_condition_keeps_what_it_says(text: str, rows: str) -> None:
    assert kept(text) == rows


def test_all_conditions_must_hold() -> None:
    assert kept("folder=trips", "width>=200", "taken<2024-06") == "bc"
    assert kept() == "abcde"


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (Condition("width", ">", 200), "cd"),
        (Condition("width", ">", 200.5), "cd"),
        (Condition("width", "=", np.int64(1000)), "c"),
        (Condition("price", "=", Decimal("0.1")), "c"),
        (Condition("taken", ">=", date(2024, 5, 31)), "cd"),
        (Condition("taken", "=", datetime(2024, 6, 1)), "d"),
        (Condition("taken", "<=", datetime(2024, 5, 31, 12, 30, 45)), "abc"),
        (Condition("taken", "=", None), "e"),
        (Condition("seen", "=", True), "ad"),
        (Condition("seen", "!=", None), "abde"),
        (Condition("camera", "=", "canon eos"), "ab"),
    ],
)
def test_conditions_may_be_objects(condition: Condition, rows: str) -> None:
    mask = Filter((condition,)).mask(TABLE)
    assert "".join("abcde"[row] for row in np.flatnonzero(mask)) == rows


LISTING = (
    "the columns are: camera (text), folder (text), id (text), price (a number), seen (yes or no), "
    "tags (a list of texts), taken (a date), width (a number)"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht>5", f"unknown column 'widht', nearest: width; {LISTING}"),
        ("'; DROP TABLE images=5", f'unknown column "\'; DROP TABLE images"; {LISTING}'),
        ("width", "'width' is not a condition: write COLUMN, one of = != < <= > >=, and a value, such as width>=1000"),
        ("", "'' is not a condition"),
        ("width>wide", "width is a number, and 'wide' is none: write it like width>=1000"),
        ("width>1; DROP TABLE images", "width is a number, and '1; DROP TABLE images' is none"),
        ("width=nan", "width is a number, and 'nan' is none"),
        ("width<inf", "width is a number, and 'inf' is none"),
        ("width>", "width is a number, and '' is none"),
        ("taken>soon", "taken is a date, and 'soon' is none: write it like taken>=2024-05-31"),
        ("taken=2024-13", "taken is a date, and '2024-13' is none"),
        ("taken=2024-02-30", "taken is a date"),
        ("taken=0000", "taken is a date"),
        ("taken<=9999", "taken is a date"),
        ("taken=2024-05-31T25:00", "taken is a date"),
        ("taken>2024-05-31T12:00Z", "taken has no time zone: leave it out of"),
        ("seen=perhaps", "seen is yes or no, and 'perhaps' is none"),
        ("seen>no", "seen is yes or no: it can only be compared with = and !="),
        ("tags<x", "tags is a list of texts: it can only be compared with"),
        ("camera=\ud800", "holds bytes that are not text"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence_and_the_columns_where_the_column_is_wrong(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=re.escape(message)) as raised:
        kept(text)
    assert ("the columns are" in str(raised.value)) == any(
        word in message for word in ("unknown", "is not a condition")
    )


@pytest.mark.parametrize("value", [True, "x", b"x", [1], object()])
def test_an_object_of_another_type_is_refused(value: Any) -> None:
    for column in ("width", "price", "taken", "seen", "camera"):
        if (column, value) in [("seen", True), ("camera", "x")]:
            continue
        with pytest.raises(QueryError, match=f"^{column} is .* is none"):
            Filter((Condition(column, "=", value),)).mask(TABLE)


def test_an_unknown_operator_or_column_of_an_object_is_refused() -> None:
    with pytest.raises(QueryError, match="unknown operator '~'; choose one of: = != < <= > >="):
        Condition("width", "~", 1)
    with pytest.raises(QueryError, match="unknown column 'vector'"):
        filters.resolve([Condition("vector", "=", 1)], {"width": pa.int32()})
    with pytest.raises(QueryError, match=r"blob is of type binary, which cannot be compared; the columns are: "):
        Filter((Condition("blob", "=", "x"),)).mask(pa.table({"blob": pa.array([b"x"])}))


@pytest.mark.parametrize(
    ("array", "text", "rows"),
    [
        (pa.array([1, None, 3], pa.uint64()), "x>-1", "ac"),
        (pa.array([2**63, 5, None], pa.uint64()), "x>=9223372036854775808", "a"),
        (pa.array([2**53 + 1, 2**53], pa.int64()), "x=9007199254740993", "a"),
        (pa.array([-5, 5], pa.int8()), "x<300", "ab"),
        (pa.array([0.1, None, float("nan")], pa.float32()), "x=0.1", "a"),
        (pa.array([0.5, 2.0], pa.float16()), "x>1", "b"),
        (pa.array([Decimal("1.10"), Decimal("2.00")]), "x=1.1", "a"),
        (pa.array(["a", "b", None, "a"]).dictionary_encode(), "x=A", "ad"),
        (pa.array(["Ärger", "arger"], pa.large_string()), "x=ärger", "a"),
        (pa.array(["one", None], pa.string_view()), "x=o*", "a"),
        (pa.array([date(2024, 5, 1), None]), "x=2024-05", "a"),
        (pa.array([date(2024, 5, 1)], pa.date64()), "x<=2024-05-01", "a"),
        (pa.array([datetime(2024, 5, 1)], pa.timestamp("s")), "x=2024-05-01T00:00:00", "a"),
        (pa.array([1714521600000000001], pa.timestamp("ns")), "x=2024-05-01T00:00:00", "a"),
        (pa.array([["a"], None, ["b", "a"]], pa.large_list(pa.string())), "x=a", "ac"),
        (pa.array(["two\nlines", "two"]), "x=two*", "ab"),
        (pa.chunked_array([["a"], ["b", "a"]]), "x=a", "ac"),
        (pa.array([], pa.string()), "x=a", ""),
        (pa.array([], pa.list_(pa.string())), "x=a", ""),
        (pa.array([None, None], pa.timestamp("us")), "x<2024", ""),
    ],
)
def test_columns_of_any_source_can_be_compared(array: Any, text: str, rows: str) -> None:
    assert kept(text, table=pa.table({"x": array})) == rows


def test_a_column_with_a_zone_is_compared_at_the_same_moment() -> None:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    table = pa.table({"x": pa.array([moment, moment + timedelta(hours=1)], pa.timestamp("us", tz="America/Lima"))})
    assert kept("x=2024-05-01T12:00Z", table=table) == "a"
    assert kept("x>2024-05-01T14:00:00+02:00", table=table) == "b"
    local = f"{moment.astimezone().replace(tzinfo=None).isoformat(sep=' ')}"  # without a zone: the time here
    assert kept(f"x={local}", table=table) == "a"


def test_the_longest_column_name_is_meant() -> None:
    columns = {"size": pa.int64(), "size in MB": pa.float64(), "a=b": pa.int64()}
    assert filters.parse("size in MB >= 2", columns) == Filter((Condition("size in MB", ">=", "2"),))
    assert filters.parse("size>=2", columns) == Filter((Condition("size", ">=", "2"),))
    assert filters.parse("a=b=3", columns) == Filter((Condition("a=b", "=", "3"),))


WORDS = st.text(alphabet="aAbB/.*?[(\\ é'\n", max_size=6)


@settings(max_examples=150, deadline=None)
@given(values=st.lists(st.none() | WORDS, max_size=12), pattern=WORDS.filter(lambda word: word != ""))
def test_patterns_match_what_the_shell_would(values: list[str | None], pattern: str) -> None:
    """Against Python's own patterns, in which brackets are escaped because ours have none."""
    expected = re.compile(fnmatch.translate(pattern.replace("[", "[[]").lower()))
    mask = Filter((Condition("x", "=", pattern),)).mask(pa.table({"x": pa.array(values, pa.string())}))
    assert mask.tolist() == [value is not None and bool(expected.match(value.lower())) for value in values]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), max_size=20),
    operator=st.sampled_from(filters.OPERATORS),
    wanted=st.integers(-(2**70), 2**70) | st.integers(-3, 3),
)
def test_numbers_compare_as_python_compares_them(values: list[int | None], operator: str, wanted: int) -> None:
    test = {"=": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}[operator]
    table = pa.table({"x": pa.array(values, pa.int64())})
    expected = [operator == "!=" if value is None else getattr(value, test)(wanted) for value in values]
    assert Filter((Condition("x", operator, wanted),)).mask(table).tolist() == expected
    assert Filter((Condition("x", operator, str(wanted)),)).mask(table).tolist() == expected
