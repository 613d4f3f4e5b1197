"""Decodes the bytes of an image file to upright RGB, within limits.

Files are untrusted: only regular files are opened, the declared size is believed only as a reason to refuse, and an
image that is cut short is an error, never half an image in grey. What leaves here is upright and fully decoded.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import ImageError
from core.image.integrity import check_whole
from core.image.pillow import MAX_PIXELS, pillow_guard

THUMBNAIL_SIDE = 320
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF, and its values that swap width and height

# Images as people keep them. Left out on purpose: EPS and WMF (run other programs), scientific containers.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "MPO", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "ICNS", "PCX"),
    *("PSD", "DIB", "DDS", "SGI", "QOI", "HEIF"),  # HEIF is known to Pillow only where a plugin was registered
)
# How files begin that are images, but not to us: offset, bytes, name.
_UNSUPPORTED = (
    *((0, b"\xff\x0a", "JPEG XL"), (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"), (0, b"<svg", "SVG"), (0, b"%!PS", "EPS")),
    *((0, b"FUJIFILM", "camera raw"), (0, b"8BPS", "Photoshop"), (0, b"\xc5\xd0\xd3\xc6", "EPS"), (0, b"%PDF", "PDF")),
)
_HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"heim", b"heis"))
_SUPPORTED = (
    *((0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n\x1a\n"), (0, b"GIF8"), (0, b"II*\x00"), (0, b"MM\x00*")),
    *((8, b"WEBPVP8"), (4, b"ftypavif"), (4, b"ftypavis")),
)

# What a folder is searched for: the endings of images' names, without the dot.
PICTURES = frozenset(
    [
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif"),
        *("jp2", "j2k", "ppm", "pgm", "pbm", "pnm", "tga", "psd", "qoi", "heic", "heif", "hif"),
    ]
)
# Images to people, but not to this program: always told of, so that nobody wonders where they are.
UNSUPPORTED = {
    **dict.fromkeys(["jxl"], "JPEG XL images cannot be read"),
    **dict.fromkeys(
        ["arw", "cr2", "cr3", "dng", "nef", "nrw", "orf", "raf", "rw2", "srw"], "raw camera files cannot be read"
    ),
}


_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")  # a `Path` that was made of a URL has lost a slash


class Opened(NamedTuple):
    """An image, perhaps decoded to less than its size, and the size of the whole; both upright."""

    image: Image.Image
    width: int
    height: int


def open_image(source: str | Path | bytes | Image.Image, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image decoded in full, its first frame, turned upright by EXIF, in its own mode.

    Raises ImageError whose reason is one of: not an image, truncated, empty file, too large, no permission,
    vanished, unsupported.
    """
    return open_reduced(source, None, max_pixels=max_pixels).image


def open_reduced(
    source: str | Path | bytes | Image.Image,
    shortest: int | None,
    *,
    max_pixels: int = MAX_PIXELS,
    admit: Callable[[int], None] = lambda pixels: None,
) -> Opened:
    """As `open_image`, but a large JPEG is decoded straight to 1/2, 1/4 or 1/8 of its size, several times as fast.

    Its sides keep at least `shortest` pixels; with None it is decoded in full. `admit` is called with the number of
    pixels that are about to be decoded from a file, and may wait until there is memory for them.
    """
    with pillow_guard(max_pixels):
        if isinstance(source, Image.Image):
            image = _finish(source, "the image", max_pixels, in_place=False)
            return Opened(image, image.width, image.height)
        if isinstance(source, bytes | bytearray | memoryview):
            return _decode(io.BytesIO(source), "the image", max_pixels, shortest, admit)
        name = _shown(source)
        with _open_file(Path(source), name) as file:
            return _decode(file, name, max_pixels, shortest, admit)


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in RGB as people see it: alpha on white, 16-bit greys scaled by 65535, others by their own range."""
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_grey(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


Shrink = Callable[[Image.Image, tuple[int, int]], Image.Image]


def shrink(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An image in a smaller size. `core.image.resample.shrink` is faster, where PyTorch is loaded anyway.

    `reducing_gap` first shrinks by whole factors: much faster for photos, and nothing anyone can see. Hamming's window
    is a third of Lanczos's: half the time, for thumbnails that look the same.
    """
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)


def thumbnail(image: Image.Image, side: int = THUMBNAIL_SIDE, shrink: Shrink = shrink) -> bytes:
    """A small JPEG of the image, at most `side` pixels on its longer side, never enlarged."""
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = to_rgb(image)
    small = shrink(small, size) if size != small.size else small.copy()
    # A wide-gamut profile keeps colours true; a profile for CMYK or grey would be wrong for RGB pixels.
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA") else None
    small.info.clear()
    out = io.BytesIO()
    profile = profile if profile and len(profile) <= 4096 else None
    # WebP takes nine times as long for a sixth fewer bytes.
    small.save(out, "JPEG", quality=80, icc_profile=profile)
    return out.getvalue()


def thumbnail_type(content: bytes) -> str:
    """The media type of what `thumbnail` made, now or in earlier versions."""
    return "image/webp" if content[8:12] == b"WEBP" else "image/jpeg"


def _shown(path: str | Path) -> str:
    """A path that can be printed on one line, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _open_file(path: Path, name: str) -> BinaryIO:
    """The file, if it is a regular one; opening without blocking keeps a FIFO from hanging us."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except PermissionError:
        raise ImageError("no permission", f"{name}: may not be read; check the permissions of the file") from None
    except (OSError, ValueError) as error:
        _unreadable(error, path, name)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ImageError("not an image", f"{name}: is {_kind(mode)}, not an image file")
    return os.fdopen(descriptor, "rb")


def _unreadable(error: OSError | ValueError, path: Path, name: str) -> NoReturn:
    """A file that cannot be opened for another reason than permissions."""
    number = getattr(error, "errno", None)
    if number in (errno.ENXIO, errno.ENODEV, errno.EISDIR):  # a socket, a device without driver
        raise ImageError("not an image", f"{name}: is not a regular file, so it is not an image file") from None
    if number == errno.ELOOP:
        raise ImageError("vanished", f"{name}: is a link that leads in a circle") from None
    if os.path.lexists(path) and number == errno.ENOENT:
        raise ImageError("vanished", f"{name}: is a link to a file that does not exist") from None
    if address := _ADDRESS.match(str(path)):
        raise ImageError(
            "vanished", f"{name}: addresses ({address[1]}) are not read here: download the image, and give its path"
        ) from None
    detail = getattr(error, "strerror", None) or str(error)
    raise ImageError("vanished", f"{name}: cannot be opened ({detail}); was it moved, or its disk removed?") from None


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def _decode(file: BinaryIO, name: str, max_pixels: int, shortest: int | None, admit: Callable[[int], None]) -> Opened:
    start = _read_start(file, name)
    if start[4:].startswith(_HEIC):
        _learn_heic(name)
    try:
        image = Image.open(file, formats=_known_formats())
    except UnidentifiedImageError:
        _unknown(start, name)
    except Exception as error:
        _raise_decoding(error, name, max_pixels)
    _check_size(image, name, max_pixels)
    check_whole(file, image.format, name)
    orientation = _orientation(image)
    width, height = image.size if orientation not in _TURNED else image.size[::-1]
    factor = 1 if shortest is None else _reduction(image, shortest, orientation)
    if factor > 1:
        image.draft(image.mode, (image.width // factor, image.height // factor))
    admit(image.width * image.height)
    upright = _finish(image, name, max_pixels, in_place=True)
    return Opened(upright, width, height) if factor > 1 else Opened(upright, *upright.size)


def _reduction(image: Image.Image, shortest: int, orientation: int) -> int:
    """By how much the decoder may reduce an image, so that its sides keep `shortest` pixels."""
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return 1
    for factor in (8, 4, 2):
        # A side that is no multiple is rounded up, at what would be the wrong end of an image that is to be turned.
        even = orientation == 1 or all(length % factor == 0 for length in image.size)
        if even and min(image.size) >= factor * shortest:
            return factor
    return 1


def _orientation(image: Image.Image) -> int:
    """As EXIF says: 1 is upright already."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF says nothing
        return 1


def _read_start(file: BinaryIO, name: str) -> bytes:
    try:
        start = file.read(64)
        file.seek(0)
    except OSError as error:  # a failing disk or a network share that went away
        raise ImageError("vanished", f"{name}: cannot be read ({error.strerror})") from None
    if not start:
        raise ImageError("empty file", f"{name}: the file is empty (0 bytes)")
    return start


def _known_formats() -> list[str]:
    Image.init()
    return [kind for kind in FORMATS if kind in Image.OPEN]


def _learn_heic(name: str) -> None:
    """Let Pillow read what phones of Apple write. The package that does it is an extra: HEIC is patented."""
    try:
        import pillow_heif
    except ImportError:
        message = "is a HEIC file, and reading it needs the package pillow-heif: pip install 'clipdex[heif]'"
        raise ImageError("unsupported", f"{name}: {message}") from None
    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener()


def _unknown(start: bytes, name: str) -> NoReturn:
    """Why Pillow did not recognise a file: another kind of image, the stump of a known one, or none at all."""
    for offset, signature, kind in _UNSUPPORTED:
        if start[offset:].startswith(signature):
            raise ImageError(
                "unsupported", f"{name}: is a {kind} file, which cannot be read; convert it to JPEG or PNG"
            )
    # A stump shorter than its signature counts too, from two bytes on.
    if start[4:].startswith(_HEIC) or any(
        len(start[at:]) > 1 and start[at : at + len(mark)] == mark[: len(start) - at] for at, mark in _SUPPORTED
    ):
        raise ImageError("truncated", f"{name}: begins like an image but is cut short or damaged")
    raise ImageError("not an image", f"{name}: is not an image")


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            "too large",
            f"{name}: declares {width} x {height} pixels; at most {max_pixels // 10**6} megapixels are read",
        )
    if width * height == 0:
        raise ImageError("unsupported", f"{name}: has no pixels ({width} x {height})")


def _finish(image: Image.Image, name: str, max_pixels: int, *, in_place: bool) -> Image.Image:
    """Decode the first frame and turn it upright; in place it keeps its format and all its metadata."""
    _check_size(image, name, max_pixels)
    try:
        if getattr(image, "tell", int)() != 0:
            image.seek(0)
        image.load()
    except Exception as error:
        _raise_decoding(error, name, max_pixels)
    try:
        return _upright(image, in_place)
    except Exception:  # damaged EXIF says nothing; parsers of hostile data raise anything
        return image


def _upright(image: Image.Image, in_place: bool) -> Image.Image:
    if in_place:
        ImageOps.exif_transpose(image, in_place=True)
        return image
    return ImageOps.exif_transpose(image)


def _raise_decoding(error: Exception, name: str, max_pixels: int) -> NoReturn:
    """Pillow's decoders raise almost anything on damaged data; each kind becomes one of our reasons."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning | MemoryError):
        limit = f"{max_pixels // 10**6} megapixels"
        raise ImageError("too large", f"{name}: would unpack to more than {limit}, the largest that is read") from None
    if isinstance(error, NotImplementedError) or "unsupported" in str(error).lower():
        raise ImageError("unsupported", f"{name}: uses a variant of its format that cannot be read ({error})") from None
    raise ImageError("truncated", f"{name}: is cut short or damaged ({error or type(error).__name__})") from None


def _scale_grey(image: Image.Image) -> Image.Image:
    """Greys of more than 8 bits in 8: 16-bit ones by 65535, 32-bit and float ones from their darkest to brightest."""
    values = np.asarray(image).astype(np.float64)
    finite = np.isfinite(values)
    low, high = 0.0, 65535.0
    # Pillow opens 16-bit PPM as mode I, already scaled to 65535.
    if not image.mode.startswith("I;16") and image.format != "PPM" and finite.any():
        low, high = float(values[finite].min()), float(values[finite].max())
    values = np.nan_to_num((np.clip(values, low, high) - low) / ((high - low) or 1.0), nan=0.0)
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))
