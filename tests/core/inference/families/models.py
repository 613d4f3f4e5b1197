"""Small random models of other families, as folders that the packages read, with a small real vocabulary."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from core.formats.export.files import write_tokenizer
from tests.core.small_models import small_tokenizer
from tests.torchvision_beside import import_torchvision

SIDE, LENGTH, WIDTH = 32, 24, 32
TOWER = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TRANSFORMERS = ("siglip", "align", "clip", "blip", "chinese_clip", "altclip", "metaclip_2")
OPENCLIP = ("siglip", "siglip2", "eva", "mobileclip", "convnext", "pe", "coca")


def drawn(model: Any, seed: int = 0) -> Any:
    """All matrices drawn so that what goes in matters; the initialisations of these towers are nearly constant."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
                parameter.normal_(0, 1 / math.sqrt(fan_in), generator=generator)
            elif name.endswith("logit_scale"):
                parameter.fill_(math.log(10))
            elif name.endswith("logit_bias"):
                parameter.fill_(-2.5)
    return model.eval()


def tokenizer_files(folder: Path, *inputs: str) -> None:
    import transformers

    tokenizer = small_tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(tokenizer, folder)
    names = json.loads((folder / "special_tokens_map.json").read_text("utf-8"))
    file = str(folder / "tokenizer.json")
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_file=file, model_max_length=LENGTH, model_input_names=list(inputs), **names
    )
    for old in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (folder / old).unlink()
    made.save_pretrained(folder)


# --- transformers ----------------------------------------------------------------------------------------------------


def transformers_folder(kind: str, folder: Path) -> Path:
    """A random model of a kind in the format of transformers."""
    import_torchvision()
    import transformers as t

    masked = ("input_ids", "attention_mask")
    typed = ("input_ids", "token_type_ids", "attention_mask")
    inputs = {"siglip": ("input_ids",), "align": typed, "chinese_clip": typed}.get(kind, masked)
    tokenizer_files(folder, *inputs)
    drawn(_model(kind)).save_pretrained(folder)
    square = {"height": SIDE, "width": SIDE}
    processor: Any
    match kind:
        case "siglip":
            processor = t.SiglipImageProcessorPil(size=square)
        case "blip":
            processor = t.BlipImageProcessorPil(size=square)
        case "align":  # as kakaobrain/align-base: numbers from -1 to 1
            larger = {"height": 40, "width": 40}
            rules = {"do_center_crop": True, "rescale_factor": 1 / 127.5, "rescale_offset": True}
            processor = t.EfficientNetImageProcessorPil(
                size=larger, crop_size=square, do_normalize=False, include_top=False, **rules
            )
        case _:
            processor = t.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    processor.save_pretrained(folder)
    return folder


def _model(kind: str) -> Any:
    import transformers as t

    tokenizer = small_tokenizer()
    ids = {"bos_token_id": tokenizer.config.sot_id, "eos_token_id": tokenizer.config.eot_id}
    text: dict[str, Any] = {**TOWER, **ids, "vocab_size": tokenizer.vocab_size, "max_position_embeddings": LENGTH}
    text["pad_token_id"] = tokenizer.config.eot_id
    vision = {**TOWER, "image_size": SIDE, "patch_size": 8}
    joint = {"projection_dim": 24}
    match kind:
        case "siglip":
            return t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=vision))
        case "clip":
            return t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=vision, **joint))
        case "metaclip_2":
            return t.MetaClip2Model(t.MetaClip2Config(text_config=text, vision_config=vision, **joint))
        case "chinese_clip":
            return t.ChineseCLIPModel(t.ChineseCLIPConfig(text_config=text, vision_config=vision, **joint))
        case "altclip":  # counts positions from behind the padding token's id
            more = {"project_dim": WIDTH, "max_position_embeddings": LENGTH + tokenizer.config.eot_id + 1}
            return t.AltCLIPModel(t.AltCLIPConfig(text_config=text | more, vision_config=vision, **joint))
        case "blip":
            return t.BlipForImageTextRetrieval(
                t.BlipConfig(text_config=text | {"is_decoder": False}, vision_config=vision, image_text_hidden_size=24)
            )
        case "align":
            picture = {
                "image_size": SIDE,
                "kernel_sizes": [3, 3, 5],
                "in_channels": [32, 16, 24],
                "out_channels": [16, 24, 30],
                "hidden_dim": WIDTH,
                "strides": [1, 1, 2],
                "num_block_repeats": [1, 1, 2],
                "expand_ratios": [1, 6, 6],
            }
            return t.AlignModel(t.AlignConfig(text_config=text, vision_config=picture, projection_dim=2 * WIDTH))
    raise AssertionError(kind)


# --- open_clip -------------------------------------------------------------------------------------------------------

SMALL_VIT = {"img_size": SIDE, "patch_size": 8, "embed_dim": WIDTH, "depth": 2, "num_heads": 4}
# A family's own constructor in timm, and what makes it small; everything else stays the family's.
TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "siglip": ("vit_base_patch16_siglip_224", SMALL_VIT),
    "siglip2": ("vit_base_patch16_siglip_256", SMALL_VIT),
    "eva": ("eva02_base_patch16_clip_224", SMALL_VIT | {"ref_feat_shape": (4, 4)}),
    "pe": ("vit_pe_core_tiny_patch16_384", SMALL_VIT | {"ref_feat_shape": (4, 4)}),
    "mobileclip": ("fastvit_mci0", {"layers": (1, 1, 1, 1), "embed_dims": (16, 32, 64, 128)}),
    "convnext": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}),
}
# Beside model_cfg's towers, as in open_clip's own configurations of these families.
POOLS = {"siglip": ("map", "none"), "siglip2": ("map", "none"), "eva": ("token", None), "pe": ("map", None)}
INCEPTION = {"mean": [0.5] * 3, "std": [0.5] * 3}
RULES: dict[str, dict[str, Any]] = {
    "siglip": {**INCEPTION, "interpolation": "bicubic", "resize_mode": "squash"},
    "siglip2": {**INCEPTION, "interpolation": "bicubic", "resize_mode": "squash"},
    "pe": {**INCEPTION, "interpolation": "bilinear", "resize_mode": "squash"},
    "mobileclip": {"mean": [0.0] * 3, "std": [1.0] * 3, "interpolation": "bilinear"},
    "convnext": {"resize_mode": "longest", "interpolation": "random"},
}


def openclip_folder(kind: str, folder: Path) -> Path:
    """A random model of a family in the format of open_clip."""
    import_torchvision()
    import open_clip

    side = 64 if kind in ("mobileclip", "convnext") else SIDE
    text: dict[str, Any] = {"context_length": 16, "vocab_size": 49408, "width": WIDTH, "heads": 4, "layers": 2}
    towers: dict[str, Any] = {"embed_dim": 24, "custom_text": True, "text_cfg": text}
    if kind == "coca":
        pool = {"attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True}
        sizes = {"image_size": side, "layers": 2, "width": WIDTH, "head_width": 8, "patch_size": 8}
        towers["vision_cfg"] = {**sizes, **pool}
        text |= {"context_length": 15, "embed_cls": True, "output_tokens": True}
        towers["multimodal_cfg"] = {
            **{k: text[k] for k in ("context_length", "vocab_size", "width", "heads", "layers")}
        }
        towers["multimodal_cfg"]["attn_pooler_heads"] = 4
    else:
        pool_, projection = POOLS.get(kind, ("avg", None))
        if kind == "convnext":
            pool_, projection = "", "linear"
        towers["vision_cfg"] = {
            "image_size": side,
            "timm_model_name": _registered(kind),
            "timm_model_pretrained": False,
        }
        towers["vision_cfg"] |= {"timm_pool": pool_, "timm_proj": projection}
    folder.mkdir(parents=True, exist_ok=True)
    if kind in ("siglip", "siglip2"):
        tokenizer_files(folder, "input_ids")
        towers |= {"embed_dim": WIDTH, "init_logit_bias": -10}
        text |= {"vocab_size": small_tokenizer().vocab_size, "hf_tokenizer_name": "some/where"}
        text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
        text |= {"tokenizer_kwargs": {"clean": "canonicalize"}}
        text |= {"act_kwargs": {"approximate": "tanh"}} if kind == "siglip2" else {}
    if kind == "mobileclip":
        text |= {"no_causal_mask": True}
    config = {"model_cfg": towers, "preprocess_cfg": RULES.get(kind, {})}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model = drawn(open_clip.create_model(f"local-dir:{folder}"))
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


def _registered(kind: str) -> str:
    """The name under which timm builds the small tower."""
    import timm

    original, small = TIMM[kind]
    name = f"small_{kind}"
    if not timm.is_model(name):

        def build(pretrained: bool = False, **options: Any) -> Any:
            assert not pretrained
            return timm.create_model(original, pretrained=False, **(small | options))

        build.__name__, build.__module__ = name, __name__
        timm.models.register_model(build)
    return name
