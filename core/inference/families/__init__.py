"""The registry of model families from other packages, one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError

if TYPE_CHECKING:
    from core.inference.families.encoder import FamilyEncoder

Load = Callable[[str, str, str, bool], "FamilyEncoder"]


def _openclip(model: str, device: str, precision: str, download: bool) -> FamilyEncoder:
    from core.inference.families.encoder import FamilyEncoder
    from core.inference.families.openclip import load

    return FamilyEncoder(load(model, download), device, precision)


def _transformers(model: str, device: str, precision: str, download: bool) -> FamilyEncoder:
    from core.inference.families.encoder import FamilyEncoder
    from core.inference.families.transformers import load

    return FamilyEncoder(load(model, download), device, precision)


FAMILIES: dict[str, Load] = {"openclip": _openclip, "transformers": _transformers}
"""Prefix of a model's name -> how what stands behind it is loaded: (model, device, precision, download)."""


def split(model: str | Path) -> tuple[str, str] | None:
    """(prefix, what stands behind it) of a name such as openclip:ARCHITECTURE/PRETRAINED; None for other names.

    Raises `ModelError` where nothing stands behind it.
    """
    prefix, colon, rest = model.partition(":") if isinstance(model, str) else ("", "", "")
    if not colon or prefix not in FAMILIES:
        return None
    if not rest:
        raise ModelError(f"{model!r} names no model; say {WHAT[prefix]}")
    return prefix, rest


def lasting(prefix: str, rest: str) -> str:
    """The name by which the model is found from any folder."""
    folder = Path(rest).expanduser()
    return f"{prefix}:{folder.resolve() if folder.is_dir() else rest}"


WHAT = {
    "openclip": "openclip:ARCHITECTURE/PRETRAINED or openclip:FOLDER with an open_clip_config.json",
    "transformers": "transformers:OWNER/REPOSITORY[@REVISION] or transformers:FOLDER with a config.json",
}
