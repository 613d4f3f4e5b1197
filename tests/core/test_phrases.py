"""Are the bundled phrases usable as queries?"""

from __future__ import annotations

from core.phrases import everyday


def test_the_phrases_are_some_hundred_different_short_descriptions() -> None:
    phrases = everyday()
    assert 300 <= len(phrases) == len(set(phrases)) <= 600
    assert [phrase for phrase in phrases if phrase != phrase.strip() or not 1 <= len(phrase.split()) <= 6] == []
    assert {"a red car", "a sleeping cat", "a receipt", "fog"} <= set(phrases)
