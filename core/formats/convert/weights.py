"""Checks that the tensors of a source make up the model, each of them.

A format says for each of our parameters what it is called there. From that follows what must be in the file, in its
own names and shapes; what is missing, unexpected, of another shape or not a number is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import ModelError
from core.formats.weights_file import misfits, some
from core.model.clip import CLIP
from core.model.config import CLIPConfig, TransformerTextConfig, ViTConfig

FLOATS = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class Place:
    """Where a parameter of ours is found: one name, or several whose tensors are stacked along the first axis."""

    names: tuple[str, ...]
    transposed: bool = False


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped. Raises `ModelError` for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping, has keys())
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged or cut short ({error}); copy or download it again") from None


def fit(
    config: CLIPConfig,
    found: Mapping[str, Tensor],
    place: Callable[[str], Place],
    where: Path,
    known: Callable[[str], bool] = lambda name: False,
) -> dict[str, Tensor]:
    """The weights of `config` under our names, with the precision of the source.

    `place` names each of our parameters as the source does; `known` is true for names of the source that carry nothing
    (counters, masks). Raises `ModelError` that lists what is missing, unexpected, misshapen or no number.
    """
    expected = parameters(empty(config, len(found), where))
    places = {name: place(name) for name in expected}
    _check_names([theirs for spot in places.values() for theirs in spot.names], found, where, known)
    _check_shapes(places, expected, found, where)
    broken = [name for name, tensor in found.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise ModelError(f"{where}: {len(broken)} tensors hold NaN or infinite numbers: {some(broken)}")
    return {name: _joined(places[name], expected[name], found) for name in expected}


def empty(config: CLIPConfig, tensors: int, where: Path) -> CLIP:
    """The model without memory. Refuses sizes that `tensors` tensors cannot be, before it builds layers for them."""
    vision, text = config.vision, config.text
    layers = vision.layers if isinstance(vision, ViTConfig) else sum(vision.layers)
    layers += text.layers if isinstance(text, TransformerTextConfig) else 0
    if layers > tensors:
        raise ModelError(f"{where}: the configuration promises {layers} layers, the source holds {tensors} tensors")
    try:
        with torch.device("meta"):
            return CLIP(config)
    except (RuntimeError, OverflowError) as error:  # sizes beyond what torch can count
        raise ModelError(f"{where}: the configuration describes an impossible model ({error})") from None


def parameters(clip: CLIP) -> dict[str, Tensor]:
    """What a feature depends on: parameters and running statistics, not the counters beside the latter."""
    return {name: tensor for name, tensor in clip.state_dict().items() if tensor.is_floating_point()}


def _check_names(expected: list[str], found: Mapping[str, Tensor], where: Path, known: Callable[[str], bool]) -> None:
    wanted = set(expected)
    missing = [name for name in expected if name not in found]
    unexpected = sorted(name for name in found if name not in wanted and not known(name))
    if any(name.endswith("logit_bias") for name in unexpected):
        raise ModelError(
            f"{where} has a logit_bias: it is a SigLIP model, trained with another loss. "
            "Load it through the package open_clip_torch (model names openclip:ARCHITECTURE/PRETRAINED)"
        )
    if problems := misfits(missing, unexpected):
        raise ModelError(f"{where} does not hold the model that its configuration describes; {problems}")


def _check_shapes(
    places: Mapping[str, Place], expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: Path
) -> None:
    problems = []
    for name, place in places.items():
        shape = tuple(expected[name].shape)
        theirs = shape[::-1] if place.transposed else (shape[0] // len(place.names), *shape[1:]) if shape else ()
        for their in place.names:
            given = tuple(found[their].shape)
            if given != theirs and not (name == "logit_scale" and given == (1,)):
                problems.append(f"{their} is {given}, not {theirs}")
            elif found[their].dtype not in FLOATS:
                problems.append(
                    f"{their} is {str(found[their].dtype).removeprefix('torch.')}, not a 16 or 32 bit float"
                )
    if problems:
        raise ModelError(f"{where} does not fit its configuration: {some(problems)}")


def _joined(place: Place, expected: Tensor, found: Mapping[str, Tensor]) -> Tensor:
    tensors = [found[name] for name in place.names]
    joined = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
    return (joined.T if place.transposed else joined).reshape(expected.shape).contiguous()
