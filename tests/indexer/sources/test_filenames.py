"""Does every file name survive as text?"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.sources.filenames import escape, unescape

PLAIN = ["a.jpg", "two words.jpg", "é ☃ 🎉.png", "100%.jpg", "quote'\".jpg", "sub/dir/x.webp"]


@pytest.mark.parametrize("name", PLAIN)
def test_ordinary_names_are_their_own_ids(name: str) -> None:
    assert escape(name) == name


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        (b"caf\xe9.jpg", r"caf\xe9.jpg"),
        (rb"back\slash.jpg", r"back\\slash.jpg"),
        (rb"caf\xe9.jpg", r"caf\\xe9.jpg"),  # a name that looks like an escape is not taken for one
        (b"line\nfeed.jpg", r"line\x0afeed.jpg"),
        ("\u2028.jpg".encode(), r"\u2028.jpg"),
    ],
)
def test_the_odd_bytes_of_a_name_are_written_out(raw: bytes, written: str) -> None:
    assert escape(os.fsdecode(raw)) == written
    assert os.fsencode(unescape(written)) == raw


@settings(deadline=None)
@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_any_name_becomes_printable_utf_8_and_comes_back(raw: bytes) -> None:
    text = escape(os.fsdecode(raw))
    assert os.fsencode(unescape(text)) == raw
    text.encode("utf-8")
    assert len(text.splitlines()) <= 1


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=6).filter(lambda raw: b"\0" not in raw), min_size=2, max_size=2))
def test_two_names_never_become_one_id(raws: list[bytes]) -> None:
    first, second = (escape(os.fsdecode(raw)) for raw in raws)
    assert (first == second) == (raws[0] == raws[1])
