"""Exports our models to the formats of other programs.

A format is one file with `write(converted, folder)` and one line in `EXPORTS`. What a format cannot hold at all is
refused; what it does in another way (a rule of preprocessing, the cleaning of texts) is said, never passed over.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from core.errors import ConfigError, ModelError, unknown_choice
from core.formats.convert import Converted
from core.formats.export import onnx, openclip, transformers

__all__ = ["EXPORTS", "export"]

EXPORTS: dict[str, Callable[[Converted, Path], list[str]]] = {
    "transformers": transformers.write,
    "openclip": openclip.write,
    "onnx": onnx.write,
}


def export(converted: Converted, dest: str | Path, to: str) -> list[str]:
    """Write `converted` as a folder of another format, whole or not at all.

    Returns a sentence for each rule that the other program follows differently. Raises `ConfigError` for an unknown
    format, `ModelError` for a model that the format cannot hold or a `dest` that already exists, and
    `MissingExtraError` where writing the format needs a package.
    """
    if to not in EXPORTS:
        raise ConfigError(unknown_choice("format", to, EXPORTS))
    dest = Path(dest).expanduser()
    if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())):
        raise ModelError(f"{dest} already exists and is not an empty folder; choose another place")
    # A hidden name: what a run that was killed leaves behind is not taken for a model.
    partial = dest.resolve().with_name(f".{dest.resolve().name}.{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        notes = EXPORTS[to](converted, partial)
        (partial / "README.md").write_text(_readme(converted, to, notes), "utf-8")
        if dest.exists():
            dest.rmdir()
        partial.replace(dest)
    except OSError as error:
        raise ModelError(f"{dest} cannot be written ({error.strerror}); is the disk full or read-only?") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return notes


def _readme(converted: Converted, to: str, notes: list[str]) -> str:
    about = f"# {converted.config.name}\n\nWritten by clipdex in the format {to}; in clipdex its fingerprint is\n"
    differences = "".join(f"- {note}\n" for note in notes)
    told = f"\nWhat is done differently there:\n\n{differences}" if notes else ""
    return f"{about}`{converted.fingerprint()}`.\n{told}"
