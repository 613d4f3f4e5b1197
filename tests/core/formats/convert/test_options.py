"""Is every option of a configuration read, known to be harmless, or refused by name?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import ModelError
from core.formats.convert import convert
from core.formats.convert.preprocessing import transformers_preprocess
from core.model.config import PreprocessConfig
from tests.core.formats.convert.sources import OPENCLIP, TRANSFORMERS, change, copied


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"model_cfg.vision_cfg.ls_init_valu": 0.1},
            r"unknown here, 'ls_init_valu' \(nearest known: 'ls_init_value'\)",
        ),
        ({"model_cfg.vision_cfg.ls_init_value": 0.1}, "ls_init_value is 0.1; this kind of model is not ours"),
        ({"model_cfg.vision_cfg.timm_model_name": "vit"}, "timm_model_name is 'vit'; this kind of model is not ours"),
        ({"model_cfg.vision_cfg.pool_type": "avg"}, "pool_type is 'avg'"),
        ({"model_cfg.text_cfg.hf_tokenizer_name": "x"}, "hf_tokenizer_name is 'x'"),
        ({"model_cfg.text_cfg.pool_type": "last"}, "pool_type is 'last'; known are: argmax, eos"),
        ({"model_cfg.text_cfg.pool_type": "eos"}, "leaves eos_id open"),
        ({"model_cfg.text_cfg.width": "24"}, "width is '24', not int"),
        ({"model_cfg.multimodal_cfg": {"width": 8}}, "it is a CoCa model"),
        ({"model_cfg.init_logit_bias": -10}, "it is a SigLIP model"),
        ({"model_cfg.embed_dim": None}, "leaves embed_dim open"),
        ({"model_cfg.vision_cfg.head_width": 5}, "width 32 is not a multiple of heads 6"),
        ({"model_cfg.vision_cfg.layers": 2}, r"12 tensors unexpected: visual\.transformer\.resblocks\.2\."),
        ({"model_cfg.text_cfg.layers": 10**9}, "promises 1000000003 layers, the source holds 194 tensors"),
        ({"model_cfg.vision_cfg.mlp_ratio": 4}, r"mlp\.c_fc\.weight is \(112, 32\), not \(128, 32\)"),
        ({"preprocess_cfg.resize_mode": "stretch"}, "preprocess_cfg: resize: .*'shortest'"),
        ({"preprocess_cfg.interpolation": "random"}, "interpolation"),
        ({"preprocess_cfg.mean": None}, "preprocess_cfg leaves mean open"),
        ({"preprocess_cfg.size": 224}, "size is 224; the image tower's image_size is 64"),
        ({"preprocess_cfg.mode": "L"}, "mode is 'L'; only RGB"),
        ({"preprocess_cfg.sharpen": 1}, "unknown here, 'sharpen'"),
    ],
)
def test_an_openclip_option_that_changes_the_model_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    folder = copied(OPENCLIP, tmp_path / "m", open_clip_config=changes)
    with pytest.raises(ModelError, match=problem):
        convert(folder, tokenizer="none")


def test_openclip_options_are_read_and_harmless_ones_ignored(tmp_path: Path) -> None:
    changes = {
        "model_cfg.quick_gelu": True,
        "model_cfg.vision_cfg.patch_dropout": 0.5,
        "model_cfg.init_logit_scale": 2.6,
        "model_cfg.text_cfg.pool_type": "eos",
        "model_cfg.text_cfg.eos_id": 400,
        "model_cfg.text_cfg.pad_id": 1,
        "model_cfg.vision_cfg.norm_kwargs": {"eps": 1e-6},
        "model_cfg.text_cfg.norm_kwargs": {},
        "preprocess_cfg.resize_mode": "longest",
        "preprocess_cfg.interpolation": None,
        "preprocess_cfg.size": [64, 64],
    }
    config = convert(copied(OPENCLIP, tmp_path / "m", open_clip_config=changes), tokenizer="none").config
    vision, text = config.clip.vision.model_dump(), config.clip.text.model_dump()
    assert (vision["activation"], text["activation"], vision["norm_eps"], text["norm_eps"]) == (
        *("quick_gelu", "quick_gelu"),
        *(1e-6, 1e-5),
    )
    assert (vision["heads"], vision["mlp_width"], text["heads"], text["mlp_width"], text["eot_id"]) == (
        4,
        112,
        3,
        96,
        400,
    )
    assert (config.preprocess.resize, config.preprocess.interpolation) == ("longest", "bicubic")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "siglip"}, "the architecture 'siglip' is unknown here"),
        ({"text_config.hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'; known are: gelu, quick_gelu"),
        ({"text_config.num_attention_heads": 7}, "width 30 is not a multiple of heads 7"),
        ({"vision_config.num_channels": 1}, "only colour images"),
        ({"vision_config.image_size": 80}, r"position_embedding\.weight is \(17, 32\)|do not make the square of 80"),
        ({"text_config.eos_token_id": 640}, "eos_token_id is 640, but the tokenizer ends texts with 639"),
        ({"text_config_dict.num_attention_heads": 6}, "states num_attention_heads twice and differently: 5 .* 6"),
        ({"projection_dim": None}, r"projection\.weight is \(48, "),
        ({"text_config.vocab_size": 600}, "has 640 tokens, the model knows only 600"),
    ],
)
def test_a_transformers_configuration_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ModelError, match=problem):
        convert(copied(TRANSFORMERS, tmp_path / "m", config=changes))


def test_absent_transformers_fields_have_its_documented_defaults(tmp_path: Path) -> None:
    absent = {"text_config.hidden_act": None, "text_config.layer_norm_eps": None, "vision_config.layer_norm_eps": None}
    absent |= {"text_config.max_position_embeddings": None, "vision_config.num_channels": None}
    clip = convert(copied(TRANSFORMERS, tmp_path / "m", config=absent)).config.clip
    text, vision = clip.text.model_dump(), clip.vision.model_dump()
    assert (text["activation"], text["norm_eps"], text["context_length"]) == ("quick_gelu", 1e-5, 77)
    assert (vision["activation"], vision["norm_eps"]) == ("gelu", 1e-5)


def test_the_legacy_end_of_text_id_is_taken_from_a_vocabulary_that_ends_with_it(tmp_path: Path) -> None:
    folder = copied(TRANSFORMERS, tmp_path / "m", config={"text_config.eos_token_id": 2})
    assert convert(folder).config.clip.text.eot_id == 639
    path = folder / "tokenizer.json"
    path.write_text(
        path.read_text().replace('"added_tokens": [', '"added_tokens": [{"id": 640, "content": "in</w>x"},', 1)
    )
    change(path, {})
    data_has_more = path.read_text().replace("in</w>x", "zqx</w>")
    path.write_text(data_has_more)
    with pytest.raises(ModelError, match="the tokenizer has ids above its end-of-text id 639"):
        convert(folder)


PLAIN = {"size": 64, "crop_size": 64, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "resample": 3}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "do_rescale": True}, {}),
        ({"size": {"height": 64, "width": 64}, "resample": 2}, {"resize": "squash", "interpolation": "bilinear"}),
        ({"size": {"height": 64, "width": 64}, "do_center_crop": False}, {"resize": "squash"}),
        ({"image_processor_type": "CLIPImageProcessorFast"}, {"backend": "torch"}),
        ({"feature_extractor_type": "CLIPFeatureExtractor", "rescale_factor": 1 / 255}, {}),
        ({"do_normalize": False}, {"mean": (0, 0, 0), "std": (1, 1, 1)}),
    ],
)
def test_preprocessor_files_old_and_new_are_read(options: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = PreprocessConfig(
        image_size=64, mean=(0.1, 0.2, 0.3), std=(1, 1, 1), convert="on_white", crop_rounding="floor"
    )
    assert transformers_preprocess(PLAIN | options, 64, "file") == plain.model_copy(update=expected)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"do_resize": False}, "do_resize is False"),
        ({"do_rescale": False}, "do_rescale is False"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is 0.0078"),
        ({"do_convert_rgb": False}, "do_convert_rgb is False"),
        ({"size": {"shortest_edge": 72}}, "do not make the square of 64 pixels"),
        ({"size": {"longest_edge": 64}}, "do not make the square of 64 pixels"),
        ({"crop_size": 48}, "do not make the square of 64 pixels"),
        ({"size": None}, "do not make the square of 64 pixels"),
        ({"do_center_crop": False}, "without it images are not square"),
        ({"resample": 0}, "resample is 0; known are 2"),
        ({"image_processor_type": "ViTImageProcessor"}, "image processor 'ViTImageProcessor' is unknown"),
        ({"do_flip": True}, "unknown here, 'do_flip'"),
        ({"image_mean": [0.5]}, "mean"),
    ],
)
def test_a_preprocessor_file_that_asks_for_something_else_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        transformers_preprocess(PLAIN | options, 64, "file")
