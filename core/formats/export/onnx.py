"""Exports a model as two ONNX graphs, one for each tower.

`image.onnx`: pixels (n, 3, s, s) float32, normalised -> vectors (n, d) float32 of length 1. `text.onnx`: ids (n, t)
int64 as the tokenizer pads them -> the same. n is free. `model.json` says how images and texts become these inputs.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import MissingExtraError
from core.formats.convert import Converted
from core.formats.export.files import write_json, write_tokenizer

FORMAT = "onnx"
OPSET = 18  # the first that PyTorch's exporter writes without converting down
LARGEST_FILE = 1_900_000_000  # bytes of weights; protobuf ends at 2 GiB, then weights go into a file beside the graph


class Unit(nn.Module):
    """A tower whose features have length 1, as every encoder here gives them."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.tower(x), dim=-1)


def write(converted: Converted, folder: Path) -> list[str]:
    """Two graphs, the rules as data and the vocabulary; see `core.formats.export.export`."""
    if importlib.util.find_spec("onnxscript") is None:
        raise MissingExtraError("onnxscript", "onnx", "writing ONNX files")
    config, clip = converted.config, converted.clip()
    side, length = config.clip.vision.image_size, config.clip.text.context_length
    ids = torch.full((2, length), config.clip.text.eot_id)
    _graph(clip.visual, torch.zeros(2, 3, side, side), "pixels", folder / "image.onnx")
    _graph(clip.text, ids, "ids", folder / "text.onnx")
    scale = float(converted.weights["logit_scale"].float().exp())
    about = {"fingerprint": converted.fingerprint(), "logit_scale": scale}
    write_json(folder / "model.json", config.model_dump(mode="json") | about)
    if converted.tokenizer is None:
        return []
    write_tokenizer(converted.tokenizer, folder)
    if converted.tokenizer.config.clean == "openai":
        return ["tokenizer.json does not repair broken encodings and HTML entities in texts; clipdex does"]
    return []


def _graph(tower: nn.Module, example: Tensor, name: str, path: Path) -> None:
    size = sum(parameter.numel() * 4 for parameter in tower.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter uses functions that PyTorch has deprecated
        torch.onnx.export(
            Unit(tower).eval(),
            (example,),
            path,
            input_names=[name],
            output_names=["vectors"],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=size > LARGEST_FILE,
            dynamo=True,
            verbose=False,
        )
