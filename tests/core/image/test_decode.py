"""Does every file end as the right image or as the right reason, whatever it holds?"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import ImageError
from core.image.decode import FORMATS, open_image, open_reduced, thumbnail, to_rgb
from core.image.pillow import MAX_PIXELS
from tests.shared import ROOT


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.copy().save(out, kind, **options)
    return out.getvalue()


def noise(width: int = 80, height: int = 60) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def reason(source: Any, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    if isinstance(source, Path):
        assert message.startswith(f"{source}: ")
    return caught.value.reason


def attempt(source: Any, **options: Any) -> tuple[Image.Image | None, str]:
    """The image and "opened", or none and the reason."""
    try:
        return open_image(source, **options), "opened"
    except ImageError as error:
        return None, error.reason


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds almost nothing."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 100))]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


# --- what opens -------------------------------------------------------------------------------------------------


def test_a_path_text_bytes_and_a_picture_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(noise(), "PNG"))
    for source in (path, str(path), path.read_bytes(), Image.open(io.BytesIO(path.read_bytes())), noise()):
        assert np.array_equal(np.asarray(open_image(source)), np.asarray(noise()))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "PPM", "TGA", "JPEG2000", "PCX", "SGI", "QOI", "DDS"])
def test_formats_that_lose_nothing_give_the_exact_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = open_image(encode(noise(), kind, **options))
    assert np.array_equal(np.asarray(image), np.asarray(noise())) and image.mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_the_first_frame_of_an_animation_is_shown(kind: str) -> None:
    red, *others = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    image = open_image(encode(red, kind, save_all=True, append_images=others))
    r, g, b = to_rgb(image).getpixel((20, 15))  # type: ignore[misc]  # a colour of three
    assert r > 250 and g < 5 and b < 5


def test_a_picture_given_as_an_object_is_not_changed() -> None:
    data = encode(noise(), "PNG", exif=orientation(6))
    given_image = Image.open(io.BytesIO(data))
    assert open_image(given_image).size == (60, 80)
    assert given_image.size == (80, 60)


def test_the_mode_of_a_file_is_kept() -> None:
    for mode, kind in (("CMYK", "JPEG"), ("P", "PNG"), ("LA", "PNG"), ("L", "JPEG"), ("1", "PNG"), ("I;16", "PNG")):
        assert open_image(encode(Image.new(mode, (9, 7)), kind)).mode == mode


def test_an_opened_picture_needs_its_file_no_more(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    red, green = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "lime")
    path.write_bytes(encode(red, "GIF", save_all=True, append_images=[green]))
    image = open_image(path)
    path.unlink()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: to_rgb(image).resize((1, 1)).getpixel((0, 0))).result() == (255, 0, 0)


# --- upright ----------------------------------------------------------------------------------------------------


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def corners(image: Image.Image) -> list[str]:
    """The colours of the corners by name, row by row."""
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 0): "yellow"}
    right, bottom = image.width - 1, image.height - 1
    points = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    found = []
    for point in points:
        pixel = image.convert("RGB").getpixel(point)
        assert isinstance(pixel, tuple)
        found.append(names[pixel[0] // 200 * 255, pixel[1] // 200 * 255, pixel[2] // 200 * 255])
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, ["red", "green", "blue", "yellow"]),
        (2, ["green", "red", "yellow", "blue"]),
        (3, ["yellow", "blue", "green", "red"]),
        (4, ["blue", "yellow", "red", "green"]),
        (5, ["red", "blue", "green", "yellow"]),
        (6, ["blue", "red", "yellow", "green"]),
        (7, ["yellow", "green", "blue", "red"]),
        (8, ["green", "yellow", "red", "blue"]),
        (9, ["red", "green", "blue", "yellow"]),  # there is no ninth: the image stays as it is
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_is_turned_upright(kind: str, value: int, expected: list[str]) -> None:
    # Corners of 16 pixels, as JPEG mixes the colours of neighbours.
    image = Image.new("RGB", (64, 32))
    for colour, box in (("red", (0, 0)), ("lime", (32, 0)), ("blue", (0, 16)), ("yellow", (32, 16))):
        image.paste(colour, (*box, box[0] + 32, box[1] + 16))
    upright = open_image(encode(image, kind, exif=orientation(value)))
    assert corners(upright) == expected
    assert upright.size == ((32, 64) if 5 <= value <= 8 else (64, 32))
    assert corners(open_image(upright)) == expected  # and not turned a second time


def test_damaged_exif_leaves_the_picture_as_it_is() -> None:
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", orientation(6)[:-3], b"Exif\0\0"):
        assert open_image(encode(noise(), "JPEG", exif=exif)).size in ((80, 60), (60, 80))


# --- what does not open -----------------------------------------------------------------------------------------


def test_a_text_called_jpg_is_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("Beethoven, and milk")
    assert reason(path) == "not an image"


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert reason(path) == "empty file"
    assert reason(b"") == "empty file"


def test_a_file_that_is_not_there_has_vanished(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    for name in ("missing.jpg", "circle", "broken", "file/a.jpg", "x" * 300):
        assert reason(tmp_path / name) == "vanished"
    assert reason("a\0b") == "vanished"


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(encode(noise(), "PNG"))
    path.chmod(0)
    assert reason(path) == "no permission"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to become another user")
def test_another_users_file_may_not_be_read() -> None:
    program = """if True:
        import os, sys
        from core.errors import ImageError
        from core.image.decode import open_image
        os.setuid(65534)
        try:
            open_image(sys.argv[1])
        except ImageError as error:
            print(error.reason)
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "private.png")
        path.write_bytes(encode(noise(), "PNG"))
        path.chmod(0)
        done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("no permission\n", "")


def test_a_folder_a_pipe_and_a_device_are_no_images_and_nothing_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path, tmp_path / "pipe.jpg", Path("/dev/zero")):
        assert reason(path) == "not an image"


def test_a_name_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    path.write_text("no image")
    with pytest.raises(ImageError, match=r"caf\\xe9\.jpg: is not an image"):
        open_image(path)
    path.write_bytes(encode(noise(), "PNG"))
    assert open_image(path).size == (80, 60)


def test_a_name_with_a_line_break_is_shown_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "two\nlines.jpg").write_text("no image")
    with pytest.raises(ImageError, match=r"two\\nlines\.jpg: is not an image$"):
        open_image(tmp_path / "two\nlines.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "JPEG2000"])
def test_a_picture_cut_short_is_never_half_a_picture(kind: str) -> None:
    data = encode(noise(), kind)
    whole = np.asarray(to_rgb(open_image(data)))
    for cut in (24, 50, len(data) // 4, len(data) // 2, len(data) * 3 // 4, len(data) - 30, len(data) - 1):
        image, outcome = attempt(data[:cut])
        if image is None:
            assert outcome == "truncated" or (outcome == "not an image" and cut < 64)
        else:  # only the end mark was missing
            assert np.array_equal(np.asarray(to_rgb(image)), whole)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": orientation(1), "restart_marker_rows": 1}])
def test_an_interrupted_copy_filled_with_zeros_is_cut_short(options: dict[str, Any]) -> None:
    # libjpeg takes the zeros for grey, says nothing, and half of the image is missing.
    data = encode(noise(), "JPEG", **options)
    for cut in (len(data) // 2, len(data) - 2):
        assert reason(data[:cut] + bytes(len(data) - cut)) == "truncated"
    assert open_image(data + bytes(5000)).size == (80, 60)  # zeros behind the end harm nobody


def test_the_end_of_an_embedded_preview_is_not_the_end_of_the_photo() -> None:
    preview = encode(noise(16, 12), "JPEG")
    data = encode(noise(), "JPEG")
    segment = b"\xff\xe9" + struct.pack(">H", len(preview) + 2) + preview
    whole = data[:2] + segment + data[2:]
    assert open_image(whole).size == (80, 60)
    assert reason(whole[: len(whole) - 900] + bytes(900)) == "truncated"


def test_a_webp_filled_with_zeros_is_cut_short() -> None:
    data = encode(noise(300, 200), "WEBP", quality=95)
    assert reason(data[: len(data) // 2] + bytes(len(data) - len(data) // 2)) == "truncated"
    assert open_image(data + bytes(5000)).size == (300, 200)


def test_the_declared_size_is_checked_before_anything_is_decoded() -> None:
    assert reason(png_header(50_000, 50_000)) == "too large"
    assert reason(png_header(20_001, 10_000)) == "too large"
    assert reason(png_header(20_000, 10_000)) == "truncated"  # 200 megapixels are allowed; these are not there
    assert reason(encode(noise(), "PNG"), max_pixels=80 * 60 - 1) == "too large"
    assert reason(noise(), max_pixels=80 * 60 - 1) == "too large"
    assert open_image(encode(noise(), "PNG"), max_pixels=80 * 60).size == (80, 60)


def test_a_giant_inside_a_small_icon_is_too_large_as_well() -> None:
    giant = png_header(30_000, 30_000)
    icon = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(giant), 22) + giant
    assert reason(icon) == "too large"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff\x0a" + bytes(80), "JPEG XL"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_a_picture_of_a_kind_that_is_not_read_is_named(data: bytes, name: str) -> None:
    with pytest.raises(ImageError, match=f"is a {name} file") as caught:
        open_image(data)
    assert caught.value.reason == "unsupported"


def test_formats_that_run_programs_are_not_opened() -> None:
    assert not {"EPS", "WMF", "EMF", "HDF5", "GRIB", "BUFR"} & set(FORMATS)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "ICO", "TGA"))), data=st.data())
def test_damage_is_always_an_image_error(kind: str, data: st.DataObject) -> None:
    raw = bytearray(_SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    image, outcome = attempt(bytes(raw), max_pixels=10**6)
    if image is not None:
        thumbnail(image)
    assert outcome in ("opened", "truncated", "not an image", "too large", "unsupported")


_SAMPLES = {kind: encode(noise(24, 16), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "ICO", "TGA")}


# --- Pillow's global state --------------------------------------------------------------------------------------


def test_pillows_limit_and_the_warning_filters_are_left_as_they_were() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    open_image(encode(noise(), "PNG"))
    reason(png_header(50_000, 50_000))
    assert limit == Image.MAX_IMAGE_PIXELS and list(warnings.filters) == filters


def test_a_hundred_megapixels_give_no_warning() -> None:
    # Pillow warns from 89 on, and the tests make warnings errors.
    image = open_image(encode(Image.new("1", (10_000, 10_000)), "PNG"))
    assert image.size == (10_000, 10_000)


def test_many_threads_leave_the_global_state_as_it_was() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    good, broken = encode(noise(), "PNG"), encode(noise(), "JPEG", exif=orientation(6)[:-4])
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        barrier.wait(120)
        for step in range(30):
            open_image(good if (number + step) % 2 else broken, max_pixels=10_000 * (1 + number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert limit == Image.MAX_IMAGE_PIXELS and list(warnings.filters) == filters


# --- RGB and thumbnails -----------------------------------------------------------------------------------------


def colour(image: Image.Image) -> Any:
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    return rgb.getpixel((0, 0))


def test_transparency_lies_on_white() -> None:
    assert colour(Image.new("RGBA", (3, 3), (255, 0, 0, 0))) == (255, 255, 255)
    assert colour(Image.new("RGBA", (3, 3), (255, 0, 0, 51))) == (255, 204, 204)
    assert colour(Image.new("LA", (3, 3), (0, 0))) == (255, 255, 255)
    assert colour(Image.new("LA", (3, 3), (0, 255))) == (0, 0, 0)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_transparent_entries_of_a_palette_lie_on_white(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    rgb = to_rgb(open_image(encode(image, "PNG", transparency=transparency)))
    assert [rgb.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_a_transparent_colour_lies_on_white() -> None:
    data = encode(Image.new("RGB", (3, 3), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert colour(open_image(data)) == (255, 255, 255)


def test_16_bit_greys_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF", "PPM"):
        rgb = to_rgb(open_image(encode(Image.fromarray(values), kind)))
        assert [rgb.getpixel((x, 0)) for x in range(4)] == [(v, v, v) for v in (0, 1, 128, 255)], kind


def test_wide_greys_are_scaled_by_their_own_range() -> None:
    for values in (np.array([[-5, 0, 5]], np.int32), np.array([[0.25, 0.5, 0.75]], np.float32)):
        rgb = to_rgb(Image.fromarray(values))
        assert [rgb.getpixel((x, 0)) for x in range(3)] == [(v, v, v) for v in (0, 128, 255)]


def test_greys_without_range_or_numbers_are_black() -> None:
    assert colour(Image.fromarray(np.full((2, 2), 7.0, np.float32))) == (0, 0, 0)
    assert colour(Image.fromarray(np.full((2, 2), np.nan, np.float32))) == (0, 0, 0)
    assert to_rgb(Image.fromarray(np.array([[np.nan, 1, np.inf, 3]], np.float32))).getpixel((3, 0)) == (255, 255, 255)


def test_print_colours_look_as_in_print() -> None:
    for cmyk, rgb in (((0, 0, 0, 0), (255, 255, 255)), ((0, 255, 255, 0), (255, 0, 0)), ((0, 0, 0, 255), (0, 0, 0))):
        image = Image.new("CMYK", (16, 16), cmyk)
        assert colour(image) == rgb
        # Files are written inverted, as Adobe does; reading turns them back.
        assert np.abs(np.subtract(colour(open_image(encode(image, "JPEG", quality=100))), rgb)).max() <= 3


def test_an_rgb_picture_passes_as_it_is() -> None:
    image = noise()
    assert to_rgb(image) is image


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (320, 240)),
        ((480, 640), (240, 320)),
        ((100, 50), (100, 50)),
        ((5000, 2), (320, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_thumbnail_is_a_jpeg_that_was_never_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = thumbnail(Image.new("RGB", size, "orange"))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", expected)
        assert np.abs(np.subtract(image.convert("RGB").resize((1, 1)).getpixel((0, 0)), (255, 165, 0))).max() < 8  # type: ignore[arg-type]


def test_a_thumbnail_keeps_no_metadata_and_a_sensible_profile() -> None:
    image = open_image(encode(noise(), "JPEG", exif=orientation(6), icc_profile=b"p" * 500, comment=b"secret"))
    with Image.open(io.BytesIO(thumbnail(image))) as small:
        assert small.info.get("icc_profile") == b"p" * 500 and not dict(small.getexif())
        assert small.size == (60, 80)
    print_picture = open_image(encode(Image.new("CMYK", (9, 9)), "JPEG", icc_profile=b"p" * 500))
    with Image.open(io.BytesIO(thumbnail(print_picture))) as small:
        assert "icc_profile" not in small.info


def test_the_limit_is_two_hundred_megapixels() -> None:
    assert MAX_PIXELS == 200_000_000


# --- decoded small --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", range(1, 9))
def test_a_large_jpeg_is_decoded_small_upright_and_with_its_true_size(value: int) -> None:
    picture = Image.new("RGB", (404, 300), "yellow")
    for colour, corner in (("red", (0, 0)), ("lime", (200, 0)), ("blue", (0, 150))):
        picture.paste(colour, (*corner, corner[0] + 204, corner[1] + 150))
    data = encode(picture, "JPEG", exif=orientation(value))
    whole, small = open_image(data), open_reduced(data, 70)
    assert small.image.size == (101, 75) if value < 5 else (75, 101)
    assert (small.width, small.height) == whole.size == ((404, 300) if value < 5 else (300, 404))
    assert corners(small.image) == corners(whole)
    uneven = encode(picture.crop((0, 0, 403, 299)), "JPEG", exif=orientation(value))
    assert (open_reduced(uneven, 70).image.size == (101, 75)) == (value == 1)  # or it would be shifted


def test_it_is_never_decoded_smaller_than_asked_and_other_kinds_stay_whole() -> None:
    data = encode(noise(800, 600), "JPEG")
    sizes = {side: open_reduced(data, side).image.size for side in (75, 76, 150, 151, 300, 301, 5000)}
    assert sizes == {
        **dict.fromkeys((75,), (100, 75)),
        **dict.fromkeys((76, 150), (200, 150)),
        **dict.fromkeys((151, 300), (400, 300)),
        **dict.fromkeys((301, 5000), (800, 600)),
    }
    assert open_reduced(data, None).image == open_image(data)
    png = encode(noise(800, 600), "PNG")
    assert open_reduced(png, 75) == (open_image(png), 800, 600)
    assert open_reduced(noise(80, 60), 10) == (noise(80, 60), 80, 60)


def test_decoding_small_finds_the_same_damage() -> None:
    data = encode(noise(800, 600), "JPEG")
    for broken in (data[: len(data) // 2], data[: len(data) // 2] + bytes(len(data) // 2)):
        with pytest.raises(ImageError) as caught:
            open_reduced(broken, 64)
        assert caught.value.reason == "truncated"
