"""Does a name or a path lead to the right encoder, and to a helpful sentence otherwise?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.errors import ConfigError, ModelError
from core.formats.model_dir import save_model
from core.inference.clip_encoder import CLIPEncoder
from core.inference.device import autocast_dtype, choose_device
from core.inference.load import load_encoder
from core.inference.toy import ToyEncoder
from tests.core.small_models import small_model
from tests.shared import ROOT


@pytest.mark.parametrize("model", ["toy", "no such model"])
def test_an_unknown_precision_is_refused_whatever_the_model(model: str) -> None:
    with pytest.raises(ConfigError, match="unknown precision 'int4'; choose one of: int8, "):
        load_encoder(model, precision="int4")


def test_a_name_beats_a_directory_called_so_and_a_path_means_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "toy", *small_model(), card="", origin={})
    monkeypatch.chdir(tmp_path)
    assert isinstance(load_encoder("toy"), ToyEncoder)
    for path in ("./toy", Path("toy"), tmp_path / "toy", str(tmp_path / "toy")):
        encoder = load_encoder(path, device="cpu")
        assert isinstance(encoder, CLIPEncoder)
        assert (encoder.name, encoder.dim) == ("small-vit", 24)


def test_unknown_models_are_answered_with_the_known_ones_nearest_first(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown model 'tinny'; choose one of: tiny, or the path of a model"):
        load_encoder("tinny")
    for path in (tmp_path / "nothing", Path("nothing"), "./nothing", "../nothing", "~/no/nothing", "nothing/"):
        with pytest.raises(
            ModelError,
            match=r"there is no model .*nothing/?; no file or folder is at that path, and .* by name are: tiny;",
        ):
            load_encoder(path)
    with pytest.raises(ModelError, match="unknown model 'toi'; choose one of: toy, tiny"):  # who nearly wrote it
        load_encoder("toi")
    with pytest.raises(
        ModelError, match=r"holds no model\. A model is OpenAI's \.pt file.*; a model directory of clipdex"
    ):
        load_encoder(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"model\.pt is not a model by itself, it is not a checkpoint of PyTorch"):
        load_encoder(tmp_path / "model.pt")


def test_importing_the_encoder_does_not_import_torch() -> None:
    modules = "core.encoder, core.inference.load, core.inference.toy, core.inference.device, core.text.zeroshot"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_device_is_what_was_asked_for_or_an_error() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ConfigError, match="unknown device 'cudda'; choose one of: cuda, "):
        choose_device("cudda")
    for odd in ("cuda:x", "cpu:1", "auto:0", ""):
        with pytest.raises(ConfigError, match="unknown device"):
            choose_device(odd)
    with pytest.raises(ConfigError, match="is not here: PyTorch sees"):
        choose_device("cuda:99")


def test_the_number_format_is_bfloat16_or_none_and_never_overflows() -> None:
    assert autocast_dtype(torch.device("cpu")) in (torch.bfloat16, None)
    assert autocast_dtype(torch.device("meta")) is None
