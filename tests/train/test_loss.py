"""The loss against the original's values and gradients, and the multi-positive form against the plain one."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.shared import ROOT
from train.loss import contrastive_loss

GOLDEN = np.load(ROOT / "tests/golden/loss.npz")


def tensor(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN[name], requires_grad=True)


@pytest.mark.parametrize("features", ["unit", "raw"])
def test_value_and_gradients_are_those_of_open_clip(features: str) -> None:
    images, texts, log_scale = tensor(f"{features}_image"), tensor(f"{features}_text"), tensor("log_logit_scale")
    unit = partial(F.normalize, dim=-1) if features == "raw" else torch.clone
    loss = contrastive_loss(unit(images), unit(texts), log_scale.exp())
    loss.backward()
    assert loss.item() == pytest.approx(GOLDEN[f"clip_{features}_loss"].item(), abs=1e-12)
    for given, name in ((images, "image"), (texts, "text"), (log_scale, "log_logit_scale")):
        assert given.grad is not None
        np.testing.assert_allclose(given.grad.numpy(), GOLDEN[f"clip_{features}_grad_{name}"], atol=1e-12)


def test_labels_that_are_all_different_change_nothing() -> None:
    images, texts, scale = tensor("unit_image"), tensor("unit_text"), tensor("log_logit_scale").exp()
    labelled = contrastive_loss(images, texts, scale, torch.arange(8) * 7, torch.arange(8) * 7)
    assert labelled.item() == pytest.approx(contrastive_loss(images, texts, scale).item(), abs=1e-12)


def test_captions_of_one_label_are_right_answers_for_all_its_pictures() -> None:
    pictures = F.normalize(torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.0]]), dim=-1)
    captions = F.normalize(torch.tensor([[1.0, -0.1], [1.0, 0.1], [-1.0, 0.0]]), dim=-1)  # the first two swapped
    scale, labels = torch.tensor(50.0), torch.tensor([4, 4, 9])
    loss = contrastive_loss(pictures, captions, scale, labels, labels)
    swapped = contrastive_loss(pictures, captions[[1, 0, 2]], scale, labels, labels)
    assert loss.item() == pytest.approx(swapped.item(), abs=1e-6)

    # By hand: each of the pair has two right answers of weight one half, the third has one.
    log_p = (scale * pictures @ captions.T).log_softmax(dim=1)
    by_hand = -(log_p[0, :2].mean() + log_p[1, :2].mean() + log_p[2, 2]) / 3
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-5)  # this matrix is symmetric: both directions agree


def test_a_text_without_a_picture_is_a_wrong_answer_and_asks_nothing() -> None:
    torch.manual_seed(0)
    pictures, captions = F.normalize(torch.randn(3, 5), dim=-1), F.normalize(torch.randn(4, 5), dim=-1)
    scale = torch.tensor(7.0)
    loss = contrastive_loss(pictures, captions, scale, torch.tensor([2, 0, 2]), torch.tensor([0, 1, 2, 3]))
    logits = scale * pictures @ captions.T
    to_texts = -logits.log_softmax(dim=1)[[0, 1, 2], [2, 0, 2]].mean()
    columns = logits.log_softmax(dim=0)
    to_images = -(columns[1, 0] + (columns[0, 2] + columns[2, 2]) / 2) / 2
    assert loss.item() == pytest.approx(((to_texts + to_images) / 2).item(), abs=1e-6)
