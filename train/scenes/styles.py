"""Turns a clean drawing into a watercolor, a mosaic or a neon sign.

Every style is one function on the finished small picture; coordinates are fractions, so that it looks alike at any
size, and its randomness comes from the generator it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

Array = np.ndarray


@dataclass(frozen=True)
class Style:
    """`colours` is False where the picture keeps no hue, so that captions name none."""

    apply: Callable[[Image.Image, np.random.Generator], Image.Image]
    phrases: tuple[str, ...]
    weight: int = 2
    colours: bool = True


def _noise(rng: np.random.Generator, cells: int, size: int, cells_y: int | None = None) -> Array:
    """Smooth noise in -1..1 that depends on the grid of cells, not on the size of the picture. (size, size)"""
    grid = rng.integers(0, 256, (cells_y or cells, cells)).astype(np.uint8)
    smooth = Image.fromarray(grid, "L").resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) / 127.5 - 1


def _edges(image: Image.Image, gain: float) -> Array:
    """Strength of outlines, 0..1, about 0.6 % of the picture wide. (size, size)"""
    size, step = image.width, max(1, round(image.width * 0.006))
    grey = np.asarray(image, dtype=np.float32)
    if size > 400:
        grey = np.asarray(image.filter(ImageFilter.BoxBlur(size * 0.0012)), dtype=np.float32)
    out = np.zeros((size, size), np.float32)
    out[:, step:-step] = np.abs(grey[:, 2 * step :] - grey[:, : -2 * step]).max(axis=2)
    out[step:-step] = np.maximum(out[step:-step], np.abs(grey[2 * step :] - grey[: -2 * step]).max(axis=2))
    return np.clip((out - 14) * (gain / 150), 0, 1)


def _picture(pixels: Array) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")


def _warp(pixels: Array, dx: Array, dy: Array) -> Array:
    """Pixels taken from a place shifted by fractions of the picture."""
    size = pixels.shape[0]
    y, x = np.mgrid[0:size, 0:size]
    sx = np.clip(x + (dx * size).astype(np.int32), 0, size - 1)
    sy = np.clip(y + (dy * size).astype(np.int32), 0, size - 1)
    return pixels[sy, sx]


def flat(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image


def watercolour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Wobbly shapes, pigment in clouds and at the edges, a torn margin of white paper."""
    size = image.width
    pixels = np.asarray(image)
    pixels = _warp(pixels, _noise(rng, 24, size) * 0.009, _noise(rng, 24, size) * 0.009).astype(np.float32)
    edge = _edges(image, 0.8)
    wash = 0.8 + 0.13 * _noise(rng, 9, size) + 0.07 * _noise(rng, 48, size) + 0.3 * edge
    paper = np.array((252, 249, 240), np.float32)
    out = paper + (pixels - paper) * np.clip(wash, 0.3, 1.12)[..., None]
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    rim = np.minimum(np.minimum(ramp, 1 - ramp)[:, None], np.minimum(ramp, 1 - ramp)[None])
    fade = np.clip((rim - 0.022 - 0.014 * _noise(rng, 14, size)) * 60, 0, 1)[..., None]
    return _picture(paper + (out - paper) * fade)


def oil(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Short slanted strokes of thick paint, lit from above."""
    size, n = image.width, 52
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    u, v = (x * 0.86 + y * 0.5) * n * 0.55, (y * 0.86 - x * 0.5) * n * 1.5
    u += (np.floor(v) % 2) * 0.5
    iu, iv = np.floor(u), np.floor(v)
    cu, cv = (iu + 0.5 - (iv % 2) * 0.5) / (n * 0.55), (iv + 0.5) / (n * 1.5)
    sx, sy = cu * 0.86 - cv * 0.5, cu * 0.5 + cv * 0.86
    pixels = np.asarray(image).astype(np.float32)
    xi = np.clip((sx / 0.99 * size).astype(np.int32), 0, size - 1)
    yi = np.clip((sy / 0.99 * size).astype(np.int32), 0, size - 1)
    stroke = pixels[yi, xi]
    table = rng.uniform(-1, 1, (64, 64)).astype(np.float32)
    tint = table[iv.astype(np.int32) % 64, iu.astype(np.int32) % 64] * 9
    relief = (0.5 - (v - iv)) * 16
    return _picture(stroke * 0.72 + pixels * 0.28 + (tint + relief)[..., None])


def pointillist(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dots of unmixed paint, two layers on a light ground."""
    size = image.width
    pixels = np.asarray(image).astype(np.float32)
    out = pixels * 0.75 + 50
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    for n, shift in ((44, 0.0), (56, 0.5)):
        gx, gy = x * n + shift, y * n + shift
        ix, iy = gx.astype(np.int32), gy.astype(np.int32)
        jx, jy = rng.uniform(0.3, 0.7, (2, n + 1, n + 1)).astype(np.float32)
        cx, cy = ix + jx[iy, ix], iy + jy[iy, ix]
        px = np.clip(((cx - shift) / n * size).astype(np.int32), 0, size - 1)
        py = np.clip(((cy - shift) / n * size).astype(np.int32), 0, size - 1)
        tint = rng.uniform(-24, 24, (n + 1, n + 1, 3)).astype(np.float32)
        distance = np.hypot(gx - cx, gy - cy)
        soft = np.clip((0.6 - distance) * size / n, 0, 1)[..., None]
        out += (pixels[py, px] + tint[iy, ix] - out) * soft
    return _picture(out)


def pencil(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Coloured pencil: dark outlines, hatched colour on white paper."""
    size = image.width
    pixels = np.asarray(image).astype(np.float32)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    hatch = 0.74 + 0.2 * np.sin((x + y) * 2 * np.pi * 30 + _noise(rng, 10, size) * 1.4) + 0.1 * _noise(rng, 64, size)
    paper = np.array((253, 251, 246), np.float32)
    out = paper + (pixels - paper) * np.clip(hatch, 0.2, 1)[..., None]
    return _picture(out * (1 - 0.62 * _edges(image, 1.0))[..., None])


def ink(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Black ink and a grey wash on ivory paper; no hue."""
    size = image.width
    grey = np.asarray(ImageOps.autocontrast(image.convert("L"))).astype(np.float32)
    wash = np.floor(grey / 52 + 0.12 * _noise(rng, 30, size)) * 52
    tone = 120 + 0.55 * np.clip(wash, 0, 250) + 6 * _noise(rng, 40, size)
    tone = tone * (1 - 0.9 * _edges(image, 1.6))
    return _picture(tone[..., None] * np.array((1.0, 0.985, 0.94), np.float32))


def neon(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Glowing outlines in the dark, each in the colour of its shape."""
    pixels = np.asarray(image).astype(np.float32)
    top = pixels.max(axis=2, keepdims=True) + 1
    low = pixels.min(axis=2, keepdims=True)
    vivid = (pixels - low * 0.75) / (top - low * 0.75) * 255
    edge = _edges(image, 2.0)[..., None]
    lines = _picture(vivid * edge)
    halo = lines.filter(ImageFilter.BoxBlur(image.width * 0.016))
    base = _picture(pixels * 0.2 + vivid * 0.16)
    return ImageChops.add(ImageChops.add(base, lines), halo)


def pixel_art(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """64 x 64 fat pixels in few colours."""
    small = image.resize((64, 64), Image.Resampling.BOX)
    few = small.quantize(28, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(image.size, Image.Resampling.NEAREST)


def mosaic(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Square glass tiles with light joints."""
    n = 48
    tiles = np.asarray(image.resize((n, n), Image.Resampling.BOX)).astype(np.float32)
    tiles += rng.uniform(-12, 12, (n, n, 1)).astype(np.float32)
    big = np.asarray(_picture(tiles).resize(image.size, Image.Resampling.NEAREST)).astype(np.float32)
    at = (np.arange(image.width, dtype=np.float32) + 0.5) / image.width * n
    gap = np.abs(at - np.floor(at) - 0.5)
    joint = np.clip((np.maximum(gap[:, None], gap[None]) - 0.38) * 9, 0, 0.36)[..., None]
    return _picture(big + (np.array((238, 232, 220), np.float32) - big) * joint)


STYLES: dict[str, Style] = {
    "flat": Style(flat, ("poster", "flat illustration", "simple graphic picture"), 5),
    "watercolour": Style(watercolour, ("watercolour", "watercolour painting", "aquarelle"), 3),
    "oil": Style(oil, ("oil painting", "painting in oil", "painted canvas"), 3),
    "pointillist": Style(pointillist, ("pointillist painting", "painting made of dots")),
    "pencil": Style(pencil, ("coloured pencil drawing", "pencil drawing", "crayon sketch")),
    "ink": Style(ink, ("black and white ink drawing", "ink sketch", "monochrome drawing"), 1, colours=False),
    "neon": Style(neon, ("neon picture", "glowing neon drawing", "neon light artwork"), 1),
    "pixel art": Style(pixel_art, ("pixel art picture", "8-bit game picture", "pixelated picture")),
    "mosaic": Style(mosaic, ("mosaic", "mosaic of small tiles"), 1),
}
