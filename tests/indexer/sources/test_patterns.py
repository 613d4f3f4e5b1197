"""Do patterns mean what people expect of them?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SourceError
from indexer.sources import Settings
from indexer.sources.filenames import escape
from indexer.sources.patterns import Selection

IDS = [
    "red.jpg",
    "RED.PNG",
    "thumbs/red.jpg",
    "trips/2024/a.jpg",
    "trips/2024/raw/b.jpg",
    "trips/raw/c.png",
    "trips/thumbs/d.jpg",
    "a[1].jpg",
    "thumbs.jpg",
]


def matching(*patterns: str) -> list[str]:
    chosen = Selection(Settings(include=patterns))
    left = Selection(Settings(exclude=patterns))
    found = [name for name in IDS if chosen.wants(name)]
    assert [name for name in IDS if not left.wants(name)] == found
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["RED.PNG", "trips/raw/c.png"]),
        ("red.*", ["red.jpg", "RED.PNG", "thumbs/red.jpg"]),
        ("thumbs", ["thumbs/red.jpg", "trips/thumbs/d.jpg"]),
        ("thumbs/", ["thumbs/red.jpg", "trips/thumbs/d.jpg"]),
        ("/thumbs", ["thumbs/red.jpg"]),
        ("trips/2024", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg"]),
        ("trips/*/raw", ["trips/2024/raw/b.jpg"]),
        ("trips/**/raw", ["trips/2024/raw/b.jpg", "trips/raw/c.png"]),
        ("trips/*.jpg", []),
        ("trips/**/*.jpg", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg", "trips/thumbs/d.jpg"]),
        ("**/raw", ["trips/2024/raw/b.jpg", "trips/raw/c.png"]),
        ("trips/**", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg", "trips/raw/c.png", "trips/thumbs/d.jpg"]),
        ("?.jpg", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg", "trips/thumbs/d.jpg"]),
        ("[ab].jpg", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg"]),
        ("[!ab].*", ["trips/raw/c.png", "trips/thumbs/d.jpg"]),
        ("a[[]1].jpg", ["a[1].jpg"]),
        ("2024", ["trips/2024/a.jpg", "trips/2024/raw/b.jpg"]),
        ("rips", []),
    ],
)
def test_a_pattern_means_names_or_paths(pattern: str, expected: list[str]) -> None:
    assert matching(pattern) == expected


def test_several_patterns_add_up_and_exclusion_wins() -> None:
    assert matching("*.png", "a[[]*") == ["RED.PNG", "trips/raw/c.png", "a[1].jpg"]
    both = Selection(Settings(include=("trips",), exclude=("raw",)))
    assert [name for name in IDS if both.wants(name)] == ["trips/2024/a.jpg", "trips/thumbs/d.jpg"]


def test_without_patterns_everything_is_meant() -> None:
    for settings in (Settings(), Settings(include=("",), exclude=("",))):
        assert all(Selection(settings).wants(name) and Selection(settings).enters("x/") for name in IDS)


def test_an_excluded_folder_is_not_entered() -> None:
    left = Selection(Settings(exclude=("raw", "trips/2024", "*.jpg")))
    assert [f for f in ("raw/", "a/raw/", "trips/", "trips/2024/", "2024/") if left.enters(f)] == ["trips/", "2024/"]
    assert Selection(Settings(include=("*.jpg",))).enters("x/")


def test_a_pattern_that_makes_no_sense_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"\[z-a\].* makes no sense: bad character range"):
        Selection(Settings(include=("[z-a]",)))


@given(
    st.lists(st.text(st.characters(exclude_characters="/*?[", codec="utf-8"), min_size=1).filter(str.strip), min_size=1)
)
def test_a_plain_path_means_itself_and_what_is_in_it(parts: list[str]) -> None:
    path = "/".join(parts)
    chosen = Selection(Settings(include=("/" + path,)))
    assert chosen.wants(escape(path)) and chosen.wants(escape(path) + "/x.jpg")
    assert not chosen.wants(escape(path) + "x") and not chosen.wants("x/" + escape(path))
