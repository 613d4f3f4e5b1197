"""Are images of Apple's phones read where the extra is installed, and is it named where it is not?"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError
from core.image.decode import PICTURES, open_image, open_reduced, thumbnail, to_rgb
from core.image.metadata import metadata
from tests.core.image.test_metadata import FULL, READ, exif
from tests.shared import ROOT

STUB = b"\0\0\0\x18ftypheic" + bytes(80)


@pytest.fixture(scope="module")
def photo() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    Image.new("RGB", (800, 400), (220, 20, 20)).save(out, "HEIF", exif=exif(FULL))
    return out.getvalue()


def test_a_heic_photo_is_a_picture_with_all_that_it_says(photo: bytes) -> None:
    image = open_image(photo)
    assert (image.size, metadata(image)) == ((800, 400), metadata(image))
    found = metadata(image)
    assert found.format == "HEIF"
    assert {name: value for name, value in vars(found).items() if name != "format"} == {
        name: value for name, value in vars(READ).items() if name != "format"
    }
    assert np.abs(np.asarray(to_rgb(image))[200, 400].astype(int) - (220, 20, 20)).max() < 6
    assert thumbnail(image)[:3] == b"\xff\xd8\xff"
    assert open_reduced(photo, 100).image.size == (800, 400)


def test_a_damaged_heic_photo_is_told_of(photo: bytes) -> None:
    for data in (photo[: len(photo) // 2], photo[:-20], STUB):
        with pytest.raises(ImageError) as caught:
            open_image(data)
        assert caught.value.reason == "truncated"
    with pytest.raises(ImageError, match="megapixels"):
        open_image(photo, max_pixels=1000)


def test_its_endings_are_those_of_pictures() -> None:
    assert {"heic", "heif", "hif", "avif", "webp"} <= PICTURES


def test_without_the_extra_the_reason_names_it(tmp_path: Path) -> None:
    (tmp_path / "pillow_heif.py").write_text("raise ImportError('hidden by this test')")
    program = (
        "import sys\nfrom core.image.decode import open_image\nfrom core.errors import ImageError\n"
        f"try: open_image({STUB!r})\nexcept ImageError as error: print(error.reason, '-', error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("unsupported - ")
    assert "pip install 'clipdex[heif]'" in done.stdout
