"""Five optimisation steps against the losses, gradients and weights that OpenCLIP's own code recorded, in float64."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from core.model.clip import CLIP
from core.model.config import CLIPConfig, ResNetConfig, TransformerTextConfig, ViTConfig
from tests.core.openai_weights import loaded, our_name
from tests.shared import shared
from train.loss import contrastive_loss
from train.optim import make_optimizer, take_step
from train.recipe import Schedule


def text(width: int, layers: int, heads: int, quick: bool) -> TransformerTextConfig:
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


VIT = CLIPConfig(
    embed_dim=40,
    vision=ViTConfig(image_size=64, patch_size=16, width=32, layers=3, heads=4, mlp_width=112, activation="gelu"),
    text=text(24, 12, 3, quick=False),
)
RESNET = CLIPConfig(
    embed_dim=48,
    vision=ResNetConfig(image_size=64, layers=(2, 1, 1, 1), width=4, heads=2),
    text=text(32, 2, 4, quick=True),
)


def model(name: str) -> CLIP:
    folder = shared("reference", name)
    if name == "openclip-vit":
        return loaded(VIT, load_file(folder / "open_clip_model.safetensors")).double().train()
    weights = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True, map_location="cpu")
    return loaded(RESNET, weights).double().train()


@pytest.mark.parametrize("name", ["openclip-vit", "openclip-resnet-quick"])
def test_five_steps_are_open_clips(name: str) -> None:
    clip = model(name)
    recorded = json.loads(shared("reference", "loss", f"train_steps_{name}.json").read_text("utf-8"))
    with np.load(shared("reference", name, "expected.npz")) as inputs:
        pixels = torch.from_numpy(inputs["pixels"][:4]).double()
        ids = torch.from_numpy(inputs["token_ids"][[1, 2, 3, 5]])
    rules = recorded["optimiser"]
    schedule = Schedule(
        steps=10,
        warmup_steps=0,
        weight_decay=0.2,
        beta1=rules["betas"][0],
        beta2=rules["betas"][1],
        epsilon=rules["eps"],
    )
    optimizer = make_optimizer(clip, nn.ModuleDict(), schedule)
    parameters = dict(clip.named_parameters())
    for step, expected in enumerate(recorded["losses_before_each_step"]):
        loss = contrastive_loss(*clip(pixels, ids))
        assert loss.item() == pytest.approx(expected, rel=1e-6), step
        loss.backward()
        if step == 0:
            gradients = {key: p.grad.norm().item() for key, p in parameters.items() if p.grad is not None}
        take_step(clip, optimizer, rate=rules["lr"], clip_norm=math.inf)
        assert clip.logit_scale.item() == pytest.approx(recorded["log_logit_scale_after_each_step"][step], abs=1e-7)
        if step == 0:
            for theirs, numbers in recorded["step1"].items():
                ours = our_name(theirs, resnet=name != "openclip-vit")
                assert gradients[ours] == pytest.approx(numbers["grad_norm"], rel=1e-6, abs=1e-10), theirs
                norm = parameters[ours].norm().item()
                assert norm == pytest.approx(numbers["weight_norm_after_step_1"], rel=1e-6), theirs
