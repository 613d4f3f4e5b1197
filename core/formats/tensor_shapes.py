"""Lists the tensors of a model and their shapes.

As the modules of `core/model/clip.py` have them (`tests/core/formats/test_tensor_shapes.py` compares), without PyTorch:
a weights file is checked before anything is built or allocated for it.
"""

from __future__ import annotations

from core.model.config import (
    CBOWTextConfig,
    CLIPConfig,
    ResNetConfig,
    SmallResNetConfig,
    TransformerTextConfig,
    ViTConfig,
)

Shapes = dict[str, tuple[int, ...]]
EXPANSION = 4  # a bottleneck's output has four times the channels of its 3×3 convolution (core/model/resnet.py)


def shapes(config: CLIPConfig) -> Shapes:
    """Name -> shape of every tensor that a feature depends on: parameters, and the statistics of batch norms."""
    match config.vision:
        case ViTConfig():
            visual = _vit(config.vision, config.embed_dim)
        case ResNetConfig():
            visual = _resnet(config.vision, config.embed_dim)
        case SmallResNetConfig():
            visual = _small_resnet(config.vision, config.embed_dim)
    text = text_shapes(config.text, config.embed_dim)
    return {"logit_scale": (), **_within("visual", visual), **_within("text", text)}


def text_shapes(config: TransformerTextConfig | CBOWTextConfig, embed_dim: int) -> Shapes:
    """The tensors of a text tower."""
    found: Shapes = {"token_embedding.weight": (config.vocab_size, config.width)}
    if isinstance(config, TransformerTextConfig):
        found["position_embedding"] = (config.context_length, config.width)
        found |= _blocks(config.layers, config.width, config.mlp_width)
    return found | _norm("norm_final", config.width) | {"projection.weight": (embed_dim, config.width)}


def _vit(config: ViTConfig, embed_dim: int) -> Shapes:
    patches = (config.image_size // config.patch_size) ** 2
    return {
        "patch_embedding.weight": (config.width, 3, config.patch_size, config.patch_size),
        "class_token": (config.width,),
        "position_embedding": (patches + 1, config.width),
        **_norm("norm_pre", config.width),
        **_blocks(config.layers, config.width, config.mlp_width),
        **_norm("norm_post", config.width),
        "projection.weight": (embed_dim, config.width),
    }


def _resnet(config: ResNetConfig, embed_dim: int) -> Shapes:
    width, half, side = config.width, config.width // 2, config.image_size // 32
    found = _conv("stem.conv1", "stem.bn1", half, 3, 3)
    found |= _conv("stem.conv2", "stem.bn2", half, half, 3) | _conv("stem.conv3", "stem.bn3", width, half, 3)
    channels = width
    for stage, blocks in enumerate(config.layers):
        planes = width * 2**stage
        for block in range(blocks):
            name = f"stages.{stage}.{block}"
            found |= _conv(f"{name}.conv1", f"{name}.bn1", planes, channels, 1)
            found |= _conv(f"{name}.conv2", f"{name}.bn2", planes, planes, 3)
            found |= _conv(f"{name}.conv3", f"{name}.bn3", planes * EXPANSION, planes, 1)
            if (stage > 0 and block == 0) or channels != planes * EXPANSION:
                found |= _conv(f"{name}.shortcut.1", f"{name}.shortcut.2", planes * EXPANSION, channels, 1)
            channels = planes * EXPANSION
    found["pool.position_embedding"] = (side * side + 1, channels)
    for part in "qkv":
        found |= _linear(f"pool.{part}", channels, channels)
    return found | _linear("pool.out", embed_dim, channels)


def _small_resnet(config: SmallResNetConfig, embed_dim: int) -> Shapes:
    found = _conv("stem", "bn", config.width, 3, 3)
    channels = config.width
    for stage, blocks in enumerate(config.layers):
        width = config.width * 2**stage
        for block in range(blocks):
            name = f"stages.{stage}.{block}"
            found |= _conv(f"{name}.conv1", f"{name}.bn1", width, channels, 3)
            found |= _conv(f"{name}.conv2", f"{name}.bn2", width, width, 3)
            if (stage > 0 and block == 0) or channels != width:
                found |= _conv(f"{name}.shortcut.0", f"{name}.shortcut.1", width, channels, 1)
            channels = width
    return found | _linear("projection", embed_dim, channels)


def _blocks(layers: int, width: int, mlp_width: int) -> Shapes:
    found: Shapes = {}
    for layer in range(layers):
        name = f"blocks.{layer}"
        found |= _norm(f"{name}.norm_attention", width) | _norm(f"{name}.norm_mlp", width)
        found |= _linear(f"{name}.attention.qkv", 3 * width, width) | _linear(f"{name}.attention.out", width, width)
        found |= _linear(f"{name}.mlp_in", mlp_width, width) | _linear(f"{name}.mlp_out", width, mlp_width)
    return found


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _conv(name: str, norm: str, outputs: int, inputs: int, side: int) -> Shapes:
    """A convolution without offset and the batch norm behind it."""
    statistics = {f"{norm}.running_mean": (outputs,), f"{norm}.running_var": (outputs,)}
    return {f"{name}.weight": (outputs, inputs, side, side), **_norm(norm, outputs), **statistics}


def _within(part: str, found: Shapes) -> Shapes:
    return {f"{part}.{name}": shape for name, shape in found.items()}
