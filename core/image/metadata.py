"""Reads what an image file says about itself: when, where and with what it was taken.

EXIF is untrusted: values have any type, fractions any denominator, texts any length. Each field is read for itself and
is None where it says nothing sensible, so that one damaged field costs no other. Tag numbers are those of Exif 2.32,
sections 4.6.4 to 4.6.6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from PIL import ExifTags, Image

from core.image.pillow import pillow_guard

MAX_CHARACTERS = 200  # of a camera's or a lens's name
OLDEST = 1826  # no photograph is older; an earlier year is the start value of some clock

_MAKE, _MODEL, _LENS_MODEL = 0x010F, 0x0110, 0xA434
_ORIGINAL, _DIGITIZED = (0x9003, 0x9291), (0x9004, 0x9292)  # the time, and its fraction of a second
_LATITUDE, _LONGITUDE = (2, 1), (4, 3)  # degrees, and in which direction
_TIME = re.compile(r"(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})(?:[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d*)?)?)?\b")

Tags = Mapping[int, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Metadata:
    """What a file says about its image; None where it says nothing."""

    taken: datetime | None = None  # by the camera's clock, in no zone
    camera: str | None = None  # "Canon EOS R5", "Apple iPhone 12"
    lens: str | None = None
    latitude: float | None = None  # degrees, south negative
    longitude: float | None = None  # degrees, west negative
    format: str | None = None  # "JPEG", "PNG", "WEBP", "TIFF", "HEIF", …


def metadata(image: Image.Image) -> Metadata:
    """The metadata of an image that `core.image.decode.open_image` returned. Never raises."""
    with pillow_guard():
        exif = _attempt(lambda: image.getexif())
        if exif is None:
            return Metadata(format=_format(image))
        taken = _attempt(lambda: exif.get_ifd(ExifTags.IFD.Exif)) or {}
        place = _attempt(lambda: exif.get_ifd(ExifTags.IFD.GPSInfo)) or {}
        latitude, longitude = _attempt(lambda: _position(place)) or (None, None)
        return Metadata(
            taken=_attempt(lambda: _moment(taken, *_ORIGINAL)) or _attempt(lambda: _moment(taken, *_DIGITIZED)),
            camera=_attempt(lambda: _camera(exif)),
            lens=_attempt(lambda: _text(taken.get(_LENS_MODEL))),
            latitude=latitude,
            longitude=longitude,
            format=_format(image),
        )


def _attempt(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:  # parsers of hostile data raise anything; nothing readable is there then
        return None


def _format(image: Image.Image) -> str | None:
    """An MPO is a JPEG with further images behind it, as many phones write them: to people it is a JPEG."""
    return "JPEG" if image.format == "MPO" else image.format


def _camera(tags: Tags) -> str | None:
    """Make and model, without saying the make twice as in "Canon Canon EOS R5" or "NIKON CORPORATION NIKON D750"."""
    make, model = _text(tags.get(_MAKE)), _text(tags.get(_MODEL))
    if make is None or model is None:
        return model or make
    return model if model.casefold().startswith(make.split()[0].casefold()) else f"{make} {model}"


def _text(value: Any) -> str | None:
    """A name on one line. EXIF is ASCII by its standard and UTF-8 in practice; Pillow reads it as Latin-1."""
    if isinstance(value, str):
        value = value.encode("latin-1") if max(value, default="") <= "\xff" else value.encode("utf-8", "replace")
    if not isinstance(value, bytes):
        return None
    value = value.partition(b"\0")[0][: 4 * MAX_CHARACTERS]
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_CHARACTERS].strip()
    return text if any(c.isalnum() for c in text) else None  # cameras without a lens say "----"


def _moment(tags: Tags, time: int, fraction: int) -> datetime | None:
    """ "2024:05:01 12:30:45" and what programs make of it. A zone, if there is one, is left out: local time counts."""
    found = _TIME.match(_text(tags.get(time)) or "")
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    digits = re.match(r"\d{1,6}", _text(tags.get(fraction)) or "")
    moment = datetime(year, month, day, hour, minute, second, int(digits[0].ljust(6, "0")) if digits else 0)
    return moment if moment.year >= OLDEST else None


def _position(tags: Tags) -> tuple[float, float] | None:
    """Latitude and longitude in degrees; None unless both are there and on the globe."""
    latitude, longitude = _degrees(tags, *_LATITUDE, "NS"), _degrees(tags, *_LONGITUDE, "EW")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    # Exactly nought and nought is what receivers write that have found nothing yet; it lies in the open sea.
    return None if latitude == longitude == 0 else (latitude, longitude)


def _degrees(tags: Tags, angle: int, direction: int, directions: str) -> float | None:
    """Degrees, minutes and seconds (or only the first of them), and the letter that says which way."""
    letter = (_text(tags.get(direction)) or " ")[0].upper()
    value = tags.get(angle)
    parts = value if isinstance(value, tuple) else (value,)
    if letter not in directions or not 1 <= len(parts) <= 3:
        return None
    numbers = [float(part) for part in parts]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        return None
    degrees = sum(number / 60**place for place, number in enumerate(numbers))
    return -degrees if letter == directions[1] else degrees  # south or west
