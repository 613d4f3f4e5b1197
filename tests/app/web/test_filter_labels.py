"""Are conditions said in plain words?"""

from __future__ import annotations

import pytest

from app.web.filter_labels import filter_label


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        ("folder=red", "folder: red"),
        ('folder="two words"', "folder: two words"),
        ("folder!=red", "not folder: red"),
        ("taken>=2011-01-01", "after 2011-01-01"),
        ("taken<2012", "before 2012"),
        ("taken=2011", "taken: 2011"),
        ("width>=800", "width ≥ 800"),
        ('-tag:"a trip"', "not tag: a trip"),
        ("concept:dog", "concept: dog"),
        ('"folder=red"', '"folder=red"'),
        ("-blue", "-blue"),
    ],
)
def test_a_condition_is_said_as_people_say_it_and_words_stay(piece: str, said: str) -> None:
    assert filter_label(piece) == said
