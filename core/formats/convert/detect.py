"""Detects the format of a model from its contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelError
from core.formats.convert.clipdex import CHECKPOINT, checkpoints, read_directory, read_run
from core.formats.convert.converted import Converted, Source
from core.formats.convert.fields import peek, read_json
from core.formats.convert.openai import read_openai
from core.formats.convert.openclip import CONFIG as OPENCLIP_CONFIG
from core.formats.convert.openclip import read_openclip
from core.formats.convert.transformers import WEIGHTS as TRANSFORMERS_WEIGHTS
from core.formats.convert.transformers import read_transformers
from core.formats.model_dir import is_model_directory
from core.formats.torch_archive import container


@dataclass(frozen=True)
class Format:
    """A kind of source: what it is, which file of a folder shows it (None: this folder is another kind), its reader."""

    what: str
    mark: Callable[[Path], str | None]
    read: Callable[[Source], Converted]


def _openclip_mark(folder: Path) -> str | None:
    return OPENCLIP_CONFIG if (folder / OPENCLIP_CONFIG).is_file() else None


def _transformers_mark(folder: Path) -> str | None:
    return "config.json" if "model_type" in peek(folder / "config.json") else None


def _clipdex_mark(folder: Path) -> str | None:
    return "config.json" if "format_version" in peek(folder / "config.json") and not checkpoints(folder) else None


def _run_mark(folder: Path) -> str | None:
    if CHECKPOINT.fullmatch(folder.name) and (folder / "state.json").is_file():
        return "state.json"
    return checkpoints(folder)[-1].name if checkpoints(folder) else None


FORMATS: dict[str, Format] = {
    "openai": Format("OpenAI's .pt file, a TorchScript archive or a state dict", lambda folder: None, read_openai),
    "openclip": Format("a folder with open_clip_config.json and weights", _openclip_mark, read_openclip),
    "transformers": Format("a folder with the config.json of a CLIPModel", _transformers_mark, read_transformers),
    "clipdex": Format("a model directory of clipdex", _clipdex_mark, read_directory),
    "clipdex run": Format("the folder of a training run of clipdex", _run_mark, read_run),
}


def detect(path: Path) -> tuple[str, Path, Path | None]:
    """(format, folder with the configuration, file of weights if `path` names one).

    A folder's configuration file stands for the folder, which says which format is meant where it holds two. Raises
    `ModelError` when there is nothing, when it is not a model, and when two formats claim it.
    """
    if path.is_dir():
        return _of_folder(path), path, None
    if not path.is_file():
        raise ModelError(f"there is no model {path}")
    folder = path.parent
    if path.name == OPENCLIP_CONFIG:
        return "openclip", folder, None
    if path.name in ("config.json", *TRANSFORMERS_WEIGHTS):
        if is_model_directory(folder):
            return "clipdex", folder, None
        if _transformers_mark(folder):
            return "transformers", folder, None if path.name == "config.json" else path
    kind = container(path)
    if kind != "torchscript" and _openclip_mark(folder):
        return "openclip", folder, path
    if kind in ("unknown", "safetensors"):
        is_what = "weights without a configuration" if kind == "safetensors" else "not a checkpoint of PyTorch"
        is_what += " (--config names that of OpenCLIP's)" if kind == "safetensors" else ""
        raise ModelError(f"{path} is not a model by itself, it is {is_what}. A model is {_kinds()}")
    return "openai", folder, path


def _of_folder(folder: Path) -> str:
    found = {name: mark for name, kind in FORMATS.items() if (mark := kind.mark(folder)) is not None}
    if len(found) > 1:
        marks = " and ".join(f"{name} ({mark})" for name, mark in found.items())
        raise ModelError(
            f"{folder} holds models in several formats: {marks}. Which one is meant cannot be guessed: name the "
            f"configuration file itself, for example {folder / next(iter(found.values()))}, or keep one format's files"
        )
    if found:
        return next(iter(found))
    if (folder / "model.safetensors").is_file() or (folder / "config.json").is_file():
        read_json(folder / "config.json")
        raise ModelError(f"{folder / 'config.json'} has neither model_type nor format_version; it describes no model")
    files = [path.name for path in sorted(folder.glob("*.pt"))]
    hint = f"; it holds {files[0]}, which can be named itself" if files else ""
    raise ModelError(f"{folder} holds no model{hint}. A model is {_kinds()}")


def _kinds() -> str:
    return "; ".join(kind.what for kind in FORMATS.values())
