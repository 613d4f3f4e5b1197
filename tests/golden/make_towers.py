"""Which golden files of tests/core/model/test_towers.py are cut from the reference data, and how?

`python -m tests.golden.make_towers` rewrites tests/golden/towers from shared/reference (its README says which program
made what): the weights of OpenAI's two towers as safetensors, in float16 where that loses nothing, the numbers
recorded from OpenAI's code, and the parameter counts of the paper's nine models.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.shared import shared

TOWERS = Path(__file__).parent / "towers"


def main() -> None:
    TOWERS.mkdir(exist_ok=True)
    for name in ("openai-vit", "openai-resnet"):
        folder = shared("reference", name)
        weights = torch.load(folder / "state_dict_fp32.pt", map_location="cpu", weights_only=True)
        save_file({key: _smallest(tensor) for key, tensor in weights.items()}, TOWERS / f"{name}.safetensors")
        shutil.copyfile(folder / "expected.npz", TOWERS / f"{name}.npz")
    shutil.copyfile(shared("reference", "zeroshot", "expected_openai_vit.npz"), TOWERS / "zeroshot.npz")
    shutil.copyfile(shared("reference", "parameter_counts.json"), TOWERS / "parameter_counts.json")


def _smallest(tensor: torch.Tensor) -> torch.Tensor:
    """float16 for what came from OpenAI's mixed files, which hold these very values."""
    if tensor.dtype == torch.float32 and torch.equal(tensor.half().float(), tensor):
        return tensor.half()
    return tensor.clone()


if __name__ == "__main__":
    main()
