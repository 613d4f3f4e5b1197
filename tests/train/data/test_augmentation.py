"""Crops and colours: what is the identity, what is mirrored, what is repeatable."""

from __future__ import annotations

import torch

from train.data.augmentation import random_crop, vary
from train.recipe import Augment


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 6) -> torch.Tensor:
    """Left half red, right half blue."""
    pixels = torch.zeros(n, 16, 16, 3, dtype=torch.uint8)
    pixels[:, :, :8, 0] = 200
    pixels[:, :, 8:, 2] = 200
    return pixels


def test_the_whole_picture_at_its_own_size_is_the_picture() -> None:
    # area 1 leaves only the aspect to chance, and a side never exceeds the image: squares stay whole
    images = random_crop(pictures(), 16, 1.0, flip=False, generator=generator())
    heights = (images[:, 0, :, 2] > 100).sum(dim=1)
    assert (heights == 16).all()
    assert images.min() >= 0 and images.max() <= 255


def test_flip_mirrors_about_half_and_no_flip_none() -> None:
    images = random_crop(pictures(200), 16, 1.0, flip=True, generator=generator())
    red_left = (images[:, 0, 8, 2] > 100).float().mean().item()
    assert 0.35 < red_left < 0.65
    images = random_crop(pictures(200), 16, 1.0, flip=False, generator=generator())
    assert (images[:, 0, 8, 2] > 100).all()


def test_the_generator_decides_everything() -> None:
    config = Augment(brightness=0.4, contrast=0.4, saturation=0.4, grey=0.2, erase=0.5)

    def draw(seed: int) -> torch.Tensor:
        rng = generator(seed)
        return vary(random_crop(pictures(), 20, 0.3, flip=True, generator=rng), config, rng)

    assert torch.equal(draw(5), draw(5))
    assert not torch.equal(draw(5), draw(6))


def test_without_strength_colours_stay_and_grey_takes_all_colour() -> None:
    images = torch.rand(4, 3, 8, 8, generator=generator()) * 255
    torch.testing.assert_close(vary(images, Augment(), generator()), images, atol=1e-3, rtol=0)
    grey = vary(images, Augment(grey=1.0), generator())
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-3, rtol=0)


def test_an_erased_rectangle_is_mid_grey_and_at_most_a_quarter() -> None:
    images = torch.zeros(100, 3, 32, 32)
    hole = (vary(images, Augment(erase=1.0), generator()) == 127.5).all(dim=1).float().mean(dim=(1, 2))
    assert hole.max() <= 0.27 and (hole > 0).float().mean() > 0.9
