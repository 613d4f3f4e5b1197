"""Checkpoints in every format, made from the golden ones, for tests of conversion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.shared import ROOT

GOLDEN = ROOT / "tests" / "golden"
TOWERS = GOLDEN / "towers"
OPENCLIP = GOLDEN / "convert" / "openclip-vit"
TRANSFORMERS = GOLDEN / "convert" / "transformers-clip"
FEATURE, RESNET_FEATURE, LOGIT = 1e-5, 6e-5, 3e-5  # shared/reference/README.md

# The order in which OpenAI's code creates the parts of a block; a safetensors file forgets it.
PARTS = ("attn", "ln_1", "mlp", "ln_2")


def numbers(path: Path) -> dict[str, Tensor]:
    """Inputs and outputs that the original recorded."""
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def openai_weights(name: str) -> dict[str, Tensor]:
    """OpenAI's golden weights in the order in which its code writes them."""
    weights = load_file(TOWERS / f"{name}.safetensors")

    def rank(key: str) -> tuple[str, int]:
        prefix, _, rest = key.partition("resblocks.")
        number, _, part = rest.partition(".")
        return prefix + number, next((i for i, start in enumerate(PARTS) if part.startswith(start)), 0)

    return {key: weights[key] for key in sorted(weights, key=rank)}


def copied(original: Path, folder: Path, **files: Any) -> Path:
    """A copy of a golden folder. `files` replace the options of JSON files: config={"a": 1, "b.c": None}."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in original.iterdir():
        if path.name != "expected.npz":
            shutil.copyfile(path, folder / path.name)
    for name, changes in files.items():
        change(folder / f"{name}.json", changes)
    return folder


def change(path: Path, changes: dict[str, Any]) -> None:
    """Set options of a JSON file by dotted name; None takes one out."""
    options = json.loads(path.read_text())
    for dotted, value in changes.items():
        *parents, name = dotted.split(".")
        place = options
        for parent in parents:
            place = place.setdefault(parent, {})
        place.pop(name, None)
        if value is not None:
            place[name] = value
    path.write_text(json.dumps(options))


def rewritten(path: Path, **changes: Tensor | None) -> None:
    """Replace, add or (None) take out tensors of a safetensors file; `__` in a name stands for a dot."""
    weights = load_file(path) | {name.replace("__", "."): tensor for name, tensor in changes.items()}
    save_file({name: tensor for name, tensor in weights.items() if tensor is not None}, path)
