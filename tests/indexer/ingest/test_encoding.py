"""Do precision and fast decoding change only how quickly a collection is made and searched?"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clipdex
from core.errors import ConfigError
from core.formats.model_dir import save_model
from tests.core.small_models import small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    save_model(path, *small_model(), card="", origin={})
    return path


def photo(path: Path, seed: int, size: tuple[int, int] = (1600, 1200), orientation: int = 1) -> None:
    """A JPEG of large coloured shapes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", exif=exif)
    path.write_bytes(out.getvalue())


def test_a_collection_made_in_one_precision_is_the_same_in_another(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        photo(folder / f"{number}.jpg", number, (160, 120))
    assert clipdex.index(folder, model=model, precision="fp32").added == 6
    exact = clipdex.open(folder, precision="fp32").search("a red dog")
    rounded = clipdex.open(folder, precision="bf16").search("a red dog")
    assert {hit.id: hit.score for hit in rounded} == pytest.approx({hit.id: hit.score for hit in exact}, abs=0.01)
    assert {hit.score for hit in rounded} != {hit.score for hit in exact}
    assert clipdex.open(folder, model=model, precision="bf16").search("a red dog") == rounded
    report = clipdex.index(folder, precision="bf16")
    assert (report.unchanged, report.updated) == (6, 0)
    with pytest.raises(ConfigError, match="unknown precision 'half'"):
        clipdex.open(folder, precision="half").search("a red dog")


def test_large_photos_are_decoded_small_with_nearly_the_same_vectors(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, orientation in enumerate((1, 3, 6, 8)):
        photo(folder / f"{number}.jpg", number, orientation=orientation)
    found = {}
    for exact in (False, True):
        place = tmp_path / f"exact-{exact}"
        clipdex.index(folder, model=model, precision="fp32", to=place, exact=exact)
        snapshot = clipdex.open(place).snapshot()
        found[exact] = np.array(snapshot.vectors, np.float32)
        sizes = snapshot.images.select(["id", "width", "height"]).to_pylist()
        assert [(row["width"], row["height"]) for row in sizes] == [(1600, 1200)] * 2 + [(1200, 1600)] * 2
        thumbnail = Image.open(io.BytesIO(clipdex.open(place).thumbnail("3.jpg")))
        assert thumbnail.size == (240, 320)
    assert (found[True] * found[False]).sum(axis=1).min() >= 0.9995
    assert (found[True] != found[False]).any()
