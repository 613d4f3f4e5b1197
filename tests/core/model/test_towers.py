"""Do the towers compute what the originals compute?

Golden numbers were recorded from OpenAI's and OpenCLIP's own code (shared/reference/README.md); the limits are that
README's. A wrong activation costs 0.016, a wrong head count or mask more than 1.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import ConfigError
from core.model.clip import CLIP
from core.model.config import (
    PRESETS,
    CBOWTextConfig,
    CLIPConfig,
    ResNetConfig,
    TransformerTextConfig,
    ViTConfig,
    preset,
)
from core.model.init import initialise
from core.model.resnet import Bottleneck, ModifiedResNet
from core.model.text import TextBagOfWords, TextTransformer
from core.model.transformer import Block
from core.model.vit import VisionTransformer
from tests.core.openai_weights import CONFIGS, TOWERS, VIT, golden_clip, golden_numbers, loaded
from tests.shared import shared

FEATURE, RESNET_FEATURE, LOGIT = 1e-5, 6e-5, 3e-5


def close(found: Tensor, expected: Tensor, limit: float) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= limit


def outputs(clip: CLIP, wanted: dict[str, nn.Module], numbers: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the wanted modules gave while the golden inputs were encoded."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _inputs, output, name=name: seen.update({name: output}))
        for name, module in wanted.items()
    ]
    with torch.inference_mode():
        clip.encode_image(numbers["pixels"])
        clip.encode_text(numbers["token_ids"])
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("name", CONFIGS)
@torch.inference_mode()
def test_features_and_logits_are_openais(name: str) -> None:
    clip, numbers = golden_clip(name), golden_numbers(name)
    close(
        clip.encode_image(numbers["pixels"]),
        numbers["image_features"],
        RESNET_FEATURE if name == "openai-resnet" else FEATURE,
    )
    close(clip.encode_text(numbers["token_ids"]), numbers["text_features"], FEATURE)
    images, texts, scale = clip(numbers["pixels"], numbers["token_ids"])
    close(scale * images @ texts.T, numbers["logits_per_image"], LOGIT)


def test_every_stage_of_the_vision_transformer_is_openais() -> None:
    clip, numbers = golden_clip("openai-vit"), golden_numbers("openai-vit")
    vit = clip.visual
    assert isinstance(vit, VisionTransformer)
    wanted: dict[str, nn.Module] = {
        "v_conv1": vit.patch_embedding,
        "v_ln_pre": vit.norm_pre,
        "v_block0": vit.blocks[0],
        "v_block_last": vit.blocks[-1],
    }
    for name, output in outputs(clip, wanted, numbers).items():
        close(output[0], numbers[name], FEATURE)
    close(outputs(clip, {"v_pooled": vit.norm_post}, numbers)["v_pooled"], numbers["v_pooled"], FEATURE)


def test_every_stage_of_the_resnet_is_openais() -> None:
    clip, numbers = golden_clip("openai-resnet"), golden_numbers("openai-resnet")
    resnet = clip.visual
    assert isinstance(resnet, ModifiedResNet)
    wanted: dict[str, nn.Module] = {"v_stem": resnet.stem}
    wanted |= {f"v_layer{i + 1}": stage for i, stage in enumerate(resnet.stages)}
    seen = outputs(clip, wanted, numbers)
    assert len(seen) == 5
    for name, output in seen.items():
        close(output[0], numbers[name], RESNET_FEATURE)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_stage_of_the_text_transformer_is_openais(name: str) -> None:
    clip, numbers = golden_clip(name), golden_numbers(name)
    text = clip.text
    assert isinstance(text, TextTransformer)
    wanted = {"t_block0": text.blocks[0], "t_block_last": text.blocks[-1], "t_ln_final": text.norm_final}
    seen = outputs(clip, wanted, numbers)
    for stage, output in seen.items():
        close(output[2], numbers[stage], FEATURE)  # recorded for row 2 of the texts, all 77 positions
    at_eot = numbers["token_ids"].eq(text.eot_id).int().argmax(1)
    close(seen["t_ln_final"][torch.arange(6), at_eot], numbers["t_pooled"], FEATURE)


def openclip_text(width: int, layers: int, heads: int, quick: bool) -> TransformerTextConfig:
    return TransformerTextConfig(
        vocab_size=512,
        context_length=77,
        eot_id=511,
        width=width,
        layers=layers,
        heads=heads,
        mlp_width=width * 4,
        activation="quick_gelu" if quick else "gelu",
    )


@torch.inference_mode()
def test_openclips_vit_with_narrow_heads_gelu_and_other_mlp_width_agrees() -> None:
    folder = shared("reference", "openclip-vit")
    vision = ViTConfig(image_size=64, patch_size=16, width=32, layers=3, heads=4, mlp_width=112, activation="gelu")
    config = CLIPConfig(embed_dim=40, vision=vision, text=openclip_text(24, 12, 3, quick=False))
    clip = loaded(config, load_file(folder / "open_clip_model.safetensors"))
    with np.load(folder / "expected.npz") as z:
        close(clip.encode_image(torch.from_numpy(z["pixels"])), torch.from_numpy(z["image_features"]), FEATURE)
        close(clip.encode_text(torch.from_numpy(z["token_ids"])), torch.from_numpy(z["text_features"]), FEATURE)


@torch.inference_mode()
def test_openclips_resnet_agrees() -> None:
    folder = shared("reference", "openclip-resnet-quick")
    vision = ResNetConfig(image_size=64, layers=(2, 1, 1, 1), width=4, heads=2)
    config = CLIPConfig(embed_dim=48, vision=vision, text=openclip_text(32, 2, 4, quick=True))
    clip = loaded(config, torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True, map_location="cpu"))
    with np.load(folder / "expected.npz") as z:
        close(clip.encode_image(torch.from_numpy(z["pixels"])), torch.from_numpy(z["image_features"]), RESNET_FEATURE)
        close(clip.encode_text(torch.from_numpy(z["token_ids"])), torch.from_numpy(z["text_features"]), FEATURE)


@pytest.mark.parametrize("name", PRESETS)
def test_the_papers_nine_models_have_openais_parameter_counts_and_shapes(name: str) -> None:
    counts = json.loads((TOWERS / "parameter_counts.json").read_text())
    assert counts.keys() - {"_note"} == PRESETS.keys()
    config, expected = preset(name), counts[name]
    with torch.device("meta"):
        clip = CLIP(config)
    assert sum(p.numel() for p in clip.visual.parameters()) == expected["image_tower"]
    assert sum(p.numel() for p in clip.text.parameters()) == expected["text_tower"]
    assert sum(p.numel() for p in clip.parameters()) == expected["total"]
    assert sum(b.numel() for b in clip.buffers()) == expected["buffer_elements"]
    assert len(clip.state_dict()) == expected["state_dict_entries"]


@pytest.mark.parametrize("name", PRESETS)
def test_the_papers_nine_models_have_openais_head_counts_and_sizes(name: str) -> None:
    theirs = json.loads((TOWERS / "parameter_counts.json").read_text())[name]["config"]
    config = preset(name)
    vision, text = config.vision, config.text
    assert isinstance(text, TransformerTextConfig) and isinstance(vision, ResNetConfig | ViTConfig)
    assert (config.embed_dim, vision.image_size) == (theirs["embed_dim"], theirs["image_resolution"])
    assert (text.width, text.layers, text.heads) == (
        theirs["transformer_width"],
        theirs["transformer_layers"],
        theirs["transformer_heads"],
    )
    assert (text.vocab_size, text.context_length) == (theirs["vocab_size"], theirs["context_length"])
    layers = list(vision.layers) if isinstance(vision, ResNetConfig) else vision.layers
    heads = vision.width // 2 if isinstance(vision, ResNetConfig) else vision.width // 64
    assert (layers, vision.width, vision.heads) == (theirs["vision_layers"], theirs["vision_width"], heads)


def test_an_unknown_preset_lists_the_known_ones_nearest_first() -> None:
    with pytest.raises(ConfigError, match="'ViT-B32'; choose one of: ViT-B-32, "):
        preset("ViT-B32")


@torch.inference_mode()
def test_a_text_cut_behind_its_end_token_has_the_same_feature() -> None:
    clip, ids = golden_clip("openai-vit"), golden_numbers("openai-vit")["token_ids"]
    whole = clip.encode_text(ids)
    for row, length in enumerate((2, 3, 10, 33, 76, 77)):
        close(clip.encode_text(ids[row : row + 1, :length]), whole[row : row + 1], 2e-6)


@torch.inference_mode()
def test_nothing_behind_the_first_end_token_matters_not_even_a_larger_id() -> None:
    config = VIT.model_copy(update={"text": VIT.text.model_copy(update={"eot_id": 300})})
    clip = initialise(CLIP(config), seed=1)
    ids = torch.tensor([[7, 8, 9, 300, 0, 0, 0, 0], [7, 8, 9, 300, 511, 300, 510, 3]])
    plain, followed = clip.encode_text(ids)
    close(followed, plain, 1e-6)
    assert (clip.encode_text(torch.tensor([[7, 8, 300, 9]])) - plain).abs().max() > 0.01


def cbow(eot_id: int = 63) -> CLIP:
    text = CBOWTextConfig(vocab_size=64, context_length=16, eot_id=eot_id, width=24)
    return initialise(CLIP(CLIPConfig(embed_dim=16, vision=VIT.vision, text=text)), seed=4)


@torch.inference_mode()
def test_the_bag_of_words_ignores_padding_and_order_but_not_words_or_their_number() -> None:
    clip = cbow()
    base, padded, shuffled, other, twice = clip.encode_text(
        torch.tensor(
            [
                [62, 5, 6, 7, 63, 0, 0, 0],
                [62, 5, 6, 7, 63, 9, 63, 5],
                [62, 7, 5, 6, 63, 0, 0, 0],
                [62, 5, 6, 8, 63, 0, 0, 0],
                [62, 5, 5, 6, 7, 63, 0, 0],
            ]
        )
    )
    close(padded, base, 1e-6)
    close(shuffled, base, 1e-6)
    close(clip.encode_text(torch.tensor([[62, 5, 6, 7, 63]]))[0], base, 1e-6)
    assert (other - base).abs().max() > 0.01
    assert (twice - base).abs().max() > 0.01


@torch.inference_mode()
def test_the_bag_of_words_is_the_projected_norm_of_the_mean_embedding() -> None:
    clip = cbow()
    text = clip.text
    assert isinstance(text, TextBagOfWords)
    table, norm = text.token_embedding.weight, text.norm_final
    mean = (table[62] + table[5] + table[63]) / 3
    expected = F.layer_norm(mean, (24,), norm.weight, norm.bias) @ text.projection.weight.T
    close(clip.encode_text(torch.tensor([[62, 5, 63, 1, 2]]))[0], expected, 1e-6)


@torch.inference_mode()
def test_the_number_of_heads_changes_the_result_and_not_the_weights() -> None:
    vision = VIT.vision.model_copy(update={"heads": 4})
    weights = load_file(TOWERS / "openai-vit.safetensors")
    more_heads = loaded(VIT.model_copy(update={"vision": vision}), weights)
    numbers = golden_numbers("openai-vit")
    assert (more_heads.encode_image(numbers["pixels"]) - numbers["image_features"]).abs().max() > 0.1


def test_a_new_model_starts_at_the_papers_temperature() -> None:
    clip = initialise(CLIP(VIT), seed=0)
    assert clip.logit_scale.shape == ()
    assert clip.logit_scale.item() == pytest.approx(math.log(1 / 0.07))


@pytest.mark.parametrize("name", CONFIGS)
def test_initialisation_is_a_function_of_the_seed_and_leaves_the_global_generator_alone(name: str) -> None:
    models = [CLIP(CONFIGS[name]) for _ in range(3)]
    before = torch.get_rng_state()
    first, again, other = (initialise(model, seed).state_dict() for model, seed in zip(models, (1, 1, 2), strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["text.token_embedding.weight"], other["text.token_embedding.weight"])


def test_initial_spreads_are_the_published_ones() -> None:
    # openai/CLIP, model.py, initialize_parameters: width 256 and 4 layers here
    config = openclip_text(256, 4, 4, quick=True)
    text = initialise(CLIP(VIT.model_copy(update={"text": config})), seed=0).text
    assert isinstance(text, TextTransformer)
    block = text.blocks[1]
    assert isinstance(block, Block)
    residual = 256**-0.5 * (2 * 4) ** -0.5
    for weight, std in (
        (text.token_embedding.weight, 0.02),
        (text.position_embedding, 0.01),
        (block.attention.qkv.weight, 256**-0.5),
        (block.attention.out.weight, residual),
        (block.mlp_in.weight, 512**-0.5),
        (block.mlp_out.weight, residual),
        (text.projection.weight, 256**-0.5),
    ):
        assert weight.std().item() == pytest.approx(std, rel=0.03)


def test_a_new_resnet_block_is_the_identity_on_its_branch() -> None:
    clip = initialise(CLIP(CONFIGS["openai-resnet"]), seed=0)
    blocks = [module for module in clip.modules() if isinstance(module, Bottleneck)]
    assert len(blocks) == 5
    assert all((block.bn3.weight == 0).all() for block in blocks)
