"""Does a text have the vector without PyTorch that it has with it, and are the same files refused?"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ModelError
from core.formats import fingerprints, weights, weights_file
from core.formats.model_dir import save_model
from core.inference import numpy_text
from core.inference.clip_encoder import CLIPEncoder
from core.model.config import CLIPConfig, ModelConfig
from core.model.text import TextTransformer
from tests.core.small_models import KINDS, small_model
from tests.shared import ROOT

TEXTS = ["", "a red dog", "a photo of the blue sea", "ÿ 黒い猫", "a red dog on the beach " * 20]


def saved(folder: Path, kind: str, dtype: str) -> tuple[Path, ModelConfig]:
    clip, config, tokenizer = small_model(kind)
    if kind == "resnet":  # the text tower with the other activation
        config = config.model_copy(update={"clip": _with_gelu(config.clip)})
        clip.config = config.clip
        for module in clip.text.modules():
            if hasattr(module, "activation"):
                setattr(module, "activation", "gelu")  # noqa: B010 - mypy takes it for a tensor
    with torch.no_grad():
        for number, parameter in enumerate(clip.text.parameters()):  # biases and gains take part, too
            generator = torch.Generator().manual_seed(number)
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    save_model(folder, clip, config, tokenizer, card="", origin={}, dtype=dtype)  # type: ignore[arg-type]
    assert not isinstance(clip.text, TextTransformer) or clip.text.blocks[0].activation == config.clip.text.activation  # type: ignore[union-attr]
    return folder, config


def _with_gelu(config: CLIPConfig) -> CLIPConfig:
    return config.model_copy(update={"text": config.text.model_copy(update={"activation": "gelu"})})


def tower(folder: Path, config: ModelConfig) -> numpy_text.NumpyText | None:
    file = folder / "model.safetensors"
    return numpy_text.load(file, config.clip, fingerprints.weights_digests(file, config.clip))


@pytest.mark.parametrize("kind", ["vit", "resnet", "cbow"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_are_those_of_the_torch_tower(tmp_path: Path, kind: str, dtype: str) -> None:
    folder, config = saved(tmp_path / "m", kind, dtype)
    encoder = CLIPEncoder.from_directory(folder, precision="fp32")
    encode = tower(folder, config)
    assert encode is not None and encoder._tokenizer is not None
    found = encode(encoder._tokenizer.encode(TEXTS))
    expected = encoder.encode_texts(TEXTS)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert np.abs(expected[1] - expected[2]).max() > 0.01


def test_the_bundled_model_reads_few_texts_without_torch_and_many_with_it() -> None:
    code = """
import sys
from core.inference.load import load_encoder
encoder = load_encoder("tiny")
few = encoder.encode_texts(["a red boat", "two dogs"])
print("torch" in sys.modules)
many = load_encoder("tiny").encode_texts(["a red boat", "two dogs", *map(str, range(15))])
print("torch" in sys.modules, abs(load_encoder("tiny", precision="fp32").encode_texts(["a red boat"]) - few[:1]).max())
print(*(many[:2] * few).sum(axis=1), *(encoder.encode_texts(["two cats"]) * few[1:]).sum(axis=1))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after, apart, *cosines = done.stdout.split()
    assert (before, after) == ("False", "True")
    assert float(apart) < 1e-6
    assert min(map(float, cosines[:2])) > 0.999 > float(cosines[2]) > 0


def test_gelu_is_the_exact_one_nearly() -> None:
    numbers = np.linspace(-12, 12, 10_001, dtype=np.float32)
    expected = [x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in numbers.tolist()]
    assert np.abs(numpy_text._gelu(numbers) - expected).max() < 2e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_digests_are_those_that_torch_gives(tmp_path: Path, kind: str, dtype: str) -> None:
    folder, config = saved(tmp_path / "m", kind, dtype)
    file = folder / "model.safetensors"
    assert weights_file.digests(file, config.clip) == weights.digests(
        weights.values(weights.load_clip(file, config.clip))
    )


def test_weights_in_bfloat16_are_left_to_torch(tmp_path: Path) -> None:
    folder, config = saved(tmp_path / "m", "vit", "float16")
    file = folder / "model.safetensors"
    save_file({name: tensor.to(torch.bfloat16) for name, tensor in load_file(file).items()}, file)
    assert tower(folder, config) is None
    assert weights_file.load_logit_scale(file, config.clip) == pytest.approx(1 / 0.07, rel=1e-2)
    assert weights_file.digests(file, config.clip) == weights.digests(
        weights.values(weights.load_clip(file, config.clip))
    )


def test_a_file_that_was_swapped_holds_a_nan_or_another_shape_is_refused(tmp_path: Path) -> None:
    folder, config = saved(tmp_path / "m", "vit", "float32")
    file = folder / "model.safetensors"
    digests = fingerprints.weights_digests(file, config.clip)
    tensors = load_file(file)
    for changed, message in (
        (tensors["text.norm_final.bias"] + 1e-3, "was changed while it was in use"),
        (tensors["text.norm_final.bias"] * math.nan, r"1 tensors hold NaN or infinite numbers: text\.norm_final\.bias"),
        (tensors["text.norm_final.bias"][:-1], r"text\.norm_final\.bias is \(31,\), not \(32,\)"),
    ):
        save_file(tensors | {"text.norm_final.bias": changed.contiguous()}, file)
        with pytest.raises(ModelError, match=message):
            numpy_text.load(file, config.clip, digests)
