"""Does a typed line mean what its grammar says, and does a sentence stay a sentence?"""

from __future__ import annotations

import contextlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import QueryError
from indexer.search.filters import Condition
from indexer.search.query_parser import Line, parse_line

COLUMNS = {
    "id": pa.string(),
    "folder": pa.string(),
    "camera": pa.string(),
    "format": pa.string(),
    "width": pa.int32(),
    "taken": pa.timestamp("us"),
    "two words": pa.string(),
}


def folder(value: str, operator: str = "=") -> Condition:
    return Condition("folder", operator, value)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (
            'red car -snow "parking lot" folder:trips after:2024-01-01',
            Line(
                "red car",
                without=("snow",),
                holding=("parking lot",),
                where=(folder("trips"), Condition("taken", ">=", "2024-01-01")),
            ),
        ),
        ("-snow", Line("", without=("snow",))),
        ("a house -(snow and ice) -dog", Line("a house", without=("snow and ice", "dog"))),
        ("a house -(a (small) dog) now", Line("a house now", without=("a (small) dog",))),
        ("house -()", Line("house -()")),
        ('house -"for sale"', Line("house", not_holding=("for sale",))),
        ("house -folder:trips", Line("house", where=(folder("trips", "!="),))),
        ("house -width>=1000", Line("house", where=(Condition("width", "<", "1000"),))),
        (
            "house width>1000 width<=2000",
            Line("house", where=(Condition("width", ">", "1000"), Condition("width", "<=", "2000"))),
        ),
        ('camera:"Canon EOS 5D" bird', Line("bird", where=(Condition("camera", "=", "Canon EOS 5D"),))),
        ("camera:Canon*, bird", Line("bird", where=(Condition("camera", "=", "Canon*"),))),
        ("Folder:Trips/2024", Line("", where=(folder("Trips/2024"),))),
        ("camera!=Canon", Line("", where=(Condition("camera", "!=", "Canon"),))),
        ("before:2024-06 sea", Line("sea", where=(Condition("taken", "<", "2024-06"),))),
        ("“parking lot” car", Line("car", holding=("parking lot",))),
        ("„am See“ Haus", Line("Haus", holding=("am See",))),
        ('a "stop", please', Line("a , please", holding=("stop",))),
        ('say "a" "b c"', Line("say", holding=("a", "b c"))),
        ("Märchen -Schnee", Line("Märchen", without=("Schnee",))),
        ("cat -dog, -bird.", Line("cat", without=("dog", "bird"))),
        ("id:IMG_1234.jpg", Line("", where=(Condition("id", "=", "IMG_1234.jpg"),))),
        ("folder:'; DROP TABLE images", Line("DROP TABLE images", where=(folder("'"),))),
    ],
)
def test_a_line_means_what_the_grammar_says(line: str, meant: Line) -> None:
    assert parse_line(line, COLUMNS) == meant


@pytest.mark.parametrize(
    "line",
    [
        "a red car",
        "  spaces   are kept  ",
        "a well-known face",
        "time 12:30",
        "note: a red car",
        "camera: on a tripod",
        "format : JPEG",
        "a man - a plan",
        "a man -- a plan",
        "-5 degrees outside",
        "rock -n- roll",
        'a 12" record',
        'he said "hello',
        'say "" nothing',
        'the "- sign',
        "children's books (old)",
        "smile :-) or :(",
        "http://example.org/a:b",
        "after: the rain",
        "before the storm",
        "3:2 crop",
        "1 > 0",
        "width > height",
        "a/b -> c",
        "",
        "-",
        '"',
        '-"',
        "(",
        ")",
        "a (b",
        "C:\\Users",
        "☃ — \u2212",
    ],
)
def test_an_ordinary_sentence_stays_one(line: str) -> None:
    assert parse_line(line, COLUMNS) == Line(line)


def test_a_parenthesis_after_a_minus_must_be_closed() -> None:
    with pytest.raises(QueryError, match=r"the parenthesis in '-\(snow \(ice\)' is not closed: .*--plain"):
        parse_line("a car -(snow (ice)", COLUMNS)


def test_what_looks_like_a_filter_but_is_none_is_told() -> None:
    assert parse_line("after:party", COLUMNS) == Line("after:party", doubts=("after:party",))
    assert parse_line("foldr:trips cat", COLUMNS) == Line("foldr:trips cat", doubts=("foldr:trips",))
    assert parse_line("-camra:canon cat", COLUMNS) == Line("cat", without=("camra:canon",), doubts=("-camra:canon",))
    for word in ("wdith>5", "wdith>=5", "foo:bar", "number:5", "farbe=rot", "größe!=3"):
        assert parse_line(f"red {word}", COLUMNS) == Line(f"red {word}", doubts=(word,))
    assert parse_line("ratio 16:9 at 12:30 http://folder:80 note: this C:/a x>y <3 :-) a->b a=>b", COLUMNS).doubts == ()


def test_without_a_date_of_taking_there_is_no_after() -> None:
    assert parse_line("after:2024", {"id": pa.string()}) == Line("after:2024", doubts=("after:2024",))


@settings(max_examples=200, deadline=None)
@given(
    line=st.text(max_size=40)
    | st.lists(st.sampled_from(['"', "-", "(", ")", " ", "folder:", "width>", "a", "5", ":", "after:", "“", "*"])).map(
        "".join
    )
)
def test_any_line_is_read_or_refused_with_a_sentence(line: str) -> None:
    with contextlib.suppress(QueryError):
        found = parse_line(line, COLUMNS)
        if not (found.without or found.holding or found.not_holding or found.where):
            assert found.text == line
        kept = "".join(found.text.split())
        assert all(char in line for char in kept)  # nothing is invented


@settings(max_examples=100, deadline=None)
@given(words=st.lists(st.from_regex(r"[a-zé'?.,!]*[a-zé]-?[a-z0-9:;.,!?]*", fullmatch=True), max_size=8))
def test_words_without_signs_are_only_words(words: list[str]) -> None:
    line = " ".join(words)
    assert parse_line(line, {"width": pa.int32()}).text == line
