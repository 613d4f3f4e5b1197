"""Are the tensors that a weights file must hold those that the modules have?"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.formats.tensor_shapes import shapes
from core.formats.weights import values
from core.model.clip import CLIP
from core.model.config import PRESETS, CLIPConfig, ResNetConfig, SmallResNetConfig, TransformerTextConfig
from tests.core.small_models import KINDS, small_config, small_tokenizer


def of_modules(config: CLIPConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        clip = CLIP(config)
    return {name: tuple(tensor.shape) for name, tensor in values(clip).items()}


@pytest.mark.parametrize("name", ["RN50", "RN50x4", "ViT-B-32", "ViT-L-14-336"])
def test_the_models_of_the_paper(name: str) -> None:
    assert shapes(PRESETS[name]) == of_modules(PRESETS[name])


@pytest.mark.parametrize("kind", KINDS)
def test_small_models_of_every_kind_of_tower(kind: str) -> None:
    config = small_config(kind, small_tokenizer()).clip
    assert shapes(config) == of_modules(config)


@settings(deadline=None, max_examples=20)
@given(layers=st.tuples(*[st.integers(1, 3)] * 4), half=st.integers(1, 6), side=st.integers(1, 3))
def test_residual_towers_of_any_depth(layers: tuple[int, int, int, int], half: int, side: int) -> None:
    text = TransformerTextConfig(
        vocab_size=30, context_length=7, eot_id=1, width=8, layers=3, heads=2, mlp_width=12, activation="gelu"
    )
    for vision in (
        ResNetConfig(image_size=32 * side, layers=layers, width=2 * half, heads=1),
        SmallResNetConfig(image_size=32, layers=layers, width=half),
    ):
        config = CLIPConfig(embed_dim=5, vision=vision, text=text)
        assert shapes(config) == of_modules(config)
