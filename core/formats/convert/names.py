"""Maps our parameter names to those of OpenAI and OpenCLIP."""

from __future__ import annotations

import re

from core.formats.convert.weights import Place

# In this order: the first pattern that matches the whole name wins. OpenAI counts stages from 1, we from 0.
RENAMED = [
    (r"visual\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"visual\.class_token", "visual.class_embedding"),
    (r"visual\.position_embedding", "visual.positional_embedding"),
    (r"visual\.norm_(pre|post)\.(.+)", r"visual.ln_\1.\2"),
    (r"visual\.projection\.weight", "visual.proj"),
    (r"visual\.blocks\.(.+)", r"visual.transformer.resblocks.\1"),
    (r"visual\.stem\.(.+)", r"visual.\1"),
    (r"visual\.stages\.0\.(.+)", r"visual.layer1.\1"),
    (r"visual\.stages\.1\.(.+)", r"visual.layer2.\1"),
    (r"visual\.stages\.2\.(.+)", r"visual.layer3.\1"),
    (r"visual\.stages\.3\.(.+)", r"visual.layer4.\1"),
    (r"visual\.pool\.position_embedding", "visual.attnpool.positional_embedding"),
    (r"visual\.pool\.([qkv])\.(.+)", r"visual.attnpool.\1_proj.\2"),
    (r"visual\.pool\.out\.(.+)", r"visual.attnpool.c_proj.\1"),
    (r"text\.token_embedding\.weight", "token_embedding.weight"),
    (r"text\.position_embedding", "positional_embedding"),
    (r"text\.norm_final\.(.+)", r"ln_final.\1"),
    (r"text\.projection\.weight", "text_projection"),
    (r"text\.blocks\.(.+)", r"transformer.resblocks.\1"),
    (r"logit_scale", "logit_scale"),
]
INSIDE = {
    "attention.qkv.weight": "attn.in_proj_weight",
    "attention.qkv.bias": "attn.in_proj_bias",
    "attention.out.": "attn.out_proj.",
    "norm_attention.": "ln_1.",
    "norm_mlp.": "ln_2.",
    "mlp_in.": "mlp.c_fc.",
    "mlp_out.": "mlp.c_proj.",
    "shortcut.1.": "downsample.0.",
    "shortcut.2.": "downsample.1.",
}
TRANSPOSED = ("visual.projection.weight", "text.projection.weight")  # theirs are used as x @ W


def openai_place(name: str) -> Place:
    """Where OpenAI keeps one of our parameters. A KeyError for a tower that it has not."""
    for pattern, theirs in RENAMED:
        if match := re.fullmatch(pattern, name):
            renamed = match.expand(theirs)
            for ours, inner in INSIDE.items():
                renamed = renamed.replace(ours, inner)
            return Place((renamed,), transposed=name in TRANSPOSED)
    raise KeyError(name)


def custom_text_place(name: str) -> Place:
    """The same for OpenCLIP's models with `custom_text`, whose text tower is a module of its own, `text`."""
    place = openai_place(name)
    return Place(tuple(f"text.{their}" for their in place.names), place.transposed) if name[:5] == "text." else place


def counts_nothing(name: str) -> bool:
    """Buffers beside the parameters that no feature depends on: counters of batches, masks that follow from sizes."""
    return name.endswith("num_batches_tracked") or name.rpartition(".")[2] == "attn_mask"
