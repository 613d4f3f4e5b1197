"""Are the bundled phrases usable as queries, and are their vectors always the model's?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.inference.toy import ToyEncoder
from core.text.sample_queries import everyday, vectors


class Counting(ToyEncoder):
    """The toy, which counts what it is asked."""

    asked = 0

    def encode_texts(self, texts: object) -> np.ndarray:
        self.asked += 1
        return super().encode_texts(texts)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "clipdex/phrases"


def test_the_phrases_are_some_hundred_different_short_descriptions() -> None:
    phrases = everyday()
    assert 300 <= len(phrases) == len(set(phrases)) <= 600
    assert [phrase for phrase in phrases if phrase != phrase.strip() or not 1 <= len(phrase.split()) <= 6] == []
    assert {"a red car", "a sleeping cat", "a receipt", "fog"} <= set(phrases)


def test_their_vectors_are_made_once_for_a_model(cache: Path) -> None:
    encoder = Counting()
    first, second = vectors(encoder), vectors(encoder)
    assert np.array_equal(first, ToyEncoder().encode_texts(everyday()))
    assert np.array_equal(first, second)
    assert encoder.asked == 1
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array", "nan", "shape"])
def test_damaged_vectors_are_made_again(cache: Path, content: bytes | str) -> None:
    encoder = Counting()
    right = vectors(encoder)
    (file,) = cache.iterdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, np.full_like(right, np.nan) if content == "nan" else right[:3])
    assert np.array_equal(vectors(encoder), right)
    assert encoder.asked == 2
    assert np.array_equal(np.load(file), right)


def test_a_cache_that_cannot_be_written_does_no_harm(cache: Path) -> None:
    cache.parent.parent.mkdir(exist_ok=True)
    (cache.parent).write_bytes(b"a file where the folder should be")
    assert len(vectors(ToyEncoder())) == len(everyday())
