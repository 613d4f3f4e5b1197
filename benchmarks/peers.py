"""How do the encoders of others run beside ours, with the same weights?  Each is left out where it is not installed.

They are not dependencies, but `make test` and `make bench` install all of them with the extra `test`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from core.formats.convert.names import counts_nothing, openai_place
from core.formats.convert.weights import fit
from core.model.config import CLIPConfig
from tests.torchvision_beside import import_torchvision

BATCH = 32


class OpenCLIP:
    """open_clip in float32, as its README uses it. Raises ImportError where it is not installed."""

    def __init__(self, name: str) -> None:
        import_torchvision()
        import open_clip

        logging.getLogger().setLevel(logging.ERROR)  # it warns that the weights are random; they should be
        torch.manual_seed(0)
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(name)
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    def weights(self, config: CLIPConfig) -> dict[str, Tensor]:
        """Its weights under our names; `config` has to describe the same model."""
        return fit(config, self.model.state_dict(), openai_place, Path("open_clip"), counts_nothing)

    def prepare(self, file: Any) -> Tensor:
        """An image file -> (3, s, s) float32, normalised."""
        prepared: Tensor = self.preprocess(Image.open(file))
        return prepared

    @torch.inference_mode()
    def encode_images(self, batch: Tensor) -> np.ndarray:
        features: np.ndarray = self.model.encode_image(batch, normalize=True).numpy()
        return features

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        parts = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        return np.concatenate([self.model.encode_text(self.tokenizer(part), normalize=True).numpy() for part in parts])


def onnx_int8(visual: nn.Module, example: Tensor, folder: Path, threads: int) -> Callable[[Tensor], np.ndarray]:
    """An image tower in onnxruntime, its matrix products in int8. Raises ImportError where that is not installed."""
    import onnx
    import onnxruntime
    import onnxscript as _needed_by_torch  # noqa: F401
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain, small = folder / "visual.onnx", folder / "visual-int8.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(visual, (example,), plain, dynamo=True, verbose=False)
        model = onnx.load(plain)
        del model.graph.value_info[:]  # recorded shapes that the quantiser's own transposing makes wrong
        onnx.save(model, plain)
        quantize_dynamic(plain, small, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(small, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def encode(batch: Tensor) -> np.ndarray:
        features: np.ndarray = session.run(None, {name: batch.numpy()})[0]
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    return encode
