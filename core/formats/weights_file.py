"""Checks the tensors of a weights file against the configuration, and reads them without PyTorch.

Names, shapes and number formats of all tensors stand in the file's header; they are checked each time it is opened,
before anything is allocated for them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from core.errors import ModelError
from core.formats.tensor_shapes import Shapes, shapes
from core.model.config import CLIPConfig, TransformerTextConfig, ViTConfig

FORMATS = ("F16", "BF16", "F32")  # number formats of safetensors that we read, all as float32
KNOWN_TO_NUMPY = ("F16", "F32")
LISTED = 8  # names in a message; the rest are counted


@contextmanager
def opened(file: Path, config: CLIPConfig, framework: Literal["pt", "numpy"]) -> Iterator[tuple[Any, Shapes]]:
    """The file, known to hold exactly the tensors of `config`, and their shapes. Raises `ModelError`."""
    try:
        with safe_open(file, framework=framework) as stored:
            names = set(stored.keys())
            if _layers(config) > len(names):
                raise ModelError(
                    f"{file.parent}: config.json promises {_layers(config)} layers, {file.name} holds "
                    f"{len(names)} tensors"
                )
            expected = shapes(config)
            _check_names(expected, names, file)
            slices = {name: stored.get_slice(name) for name in expected}
            _check_shapes(expected, {name: (s.get_shape(), s.get_dtype()) for name, s in slices.items()}, file)
            yield stored, expected
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is damaged or cut short ({error}); copy or download it again") from None


@contextmanager
def arrays(file: Path, config: CLIPConfig) -> Iterator[tuple[Callable[[str], np.ndarray], Shapes]]:
    """What reads a tensor of the file by its name in float32, and all shapes; PyTorch only where NumPy lacks a format.

    Raises `ModelError`."""
    with opened(file, config, "numpy") as (tensors, expected):
        if all(tensors.get_slice(name).get_dtype() in KNOWN_TO_NUMPY for name in expected):
            yield lambda name: tensors.get_tensor(name).astype(np.float32, copy=False), expected
            return
    with opened(file, config, "pt") as (tensors, expected):
        yield lambda name: tensors.get_tensor(name).float().numpy(), expected


def load_logit_scale(file: Path, config: CLIPConfig) -> float:
    """What cosines are multiplied with before a softmax; its logarithm is stored. Raises `ModelError`."""
    with arrays(file, config) as (read, _):
        scale = read("logit_scale")
    check_finite({"logit_scale": scale}, file.parent)
    return math.exp(float(scale))


def digests(file: Path, config: CLIPConfig) -> dict[str, str]:
    """`by_part` of a file, tensor by tensor: the model is never whole in memory. Raises `ModelError`."""
    with arrays(file, config) as (read, expected):

        def checked() -> Iterator[tuple[str, np.ndarray]]:
            for name in sorted(expected):
                numbers = read(name)
                check_finite({name: numbers}, file.parent)
                yield name, numbers

        return by_part(checked())


def by_part(tensors: Iterable[tuple[str, np.ndarray]]) -> dict[str, str]:
    """A sha256 for each part of a model ("logit_scale", "text", "visual") over the names, shapes and numbers in it.

    Tensors come in the order of their names. Numbers count, not bytes: the same ones stored as float16 and as float32
    have the same digest.
    """
    parts: dict[str, Any] = {}
    for name, numbers in tensors:
        part, _, rest = name.partition(".")
        add_to(parts.setdefault(part, hashlib.sha256()), rest, numbers)
    return {part: digest.hexdigest() for part, digest in parts.items()}


def check_finite(arrays: Mapping[str, np.ndarray], where: Path) -> None:
    """Raises `ModelError` that lists the tensors with NaN or infinite numbers."""
    # One number that is not finite makes the sum so, which is quicker to see; a sum may also just be too large.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = {name: array for name, array in arrays.items() if not np.isfinite(array.sum())}
    refuse([name for name, array in doubtful.items() if not np.isfinite(array).all()], where)


def refuse(not_finite: list[str], where: Path) -> None:
    """Raises `ModelError` if there are any."""
    if not_finite:
        raise ModelError(f"{where}: {len(not_finite)} tensors hold NaN or infinite numbers: {some(not_finite)}")


def add_to(digest: Any, name: str, numbers: np.ndarray) -> None:
    """Count a tensor in a sha256: its name, its shape and its numbers in float32."""
    digest.update(f"{name}:{tuple(numbers.shape)}".encode() + b"\0")
    digest.update(np.ascontiguousarray(numbers).data)


def some(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    names = list(names)
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _layers(config: CLIPConfig) -> int:
    vision = config.vision.layers if isinstance(config.vision, ViTConfig) else sum(config.vision.layers)
    return vision + (config.text.layers if isinstance(config.text, TransformerTextConfig) else 0)


def misfits(missing: list[str], unexpected: list[str]) -> str:
    """What is wrong with the names of the tensors in a file; empty where they are right."""
    kinds = (("missing", missing), ("unexpected", unexpected))
    return "; ".join(f"{len(names)} tensors {kind}: {some(names)}" for kind, names in kinds if names)


def _check_names(expected: Shapes, found: set[str], file: Path) -> None:
    missing = [name for name in expected if name not in found]
    if problems := misfits(missing, sorted(found - expected.keys())):
        raise ModelError(f"{file} does not hold the model of config.json; {problems}")


def _check_shapes(expected: Shapes, found: dict[str, tuple[list[int], str]], file: Path) -> None:
    problems = [
        f"{name} is {tuple(found[name][0])}, not {shape}"
        for name, shape in expected.items()
        if tuple(found[name][0]) != shape
    ]
    problems += [
        f"{name} is {kind}, not {' or '.join(FORMATS)}" for name, (_, kind) in found.items() if kind not in FORMATS
    ]
    if problems:
        raise ModelError(f"{file} does not fit config.json: {some(problems)}")
