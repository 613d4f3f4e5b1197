"""Which known changes make near-duplicates of an image?  Each is seeded by the image's number."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def encoded(quality: int, kind: str = "JPEG") -> Change:
    """Compressed and decoded again."""

    def change(image: Image.Image, draw: np.random.Generator) -> Image.Image:
        out = io.BytesIO()
        image.save(out, kind, quality=quality)
        return Image.open(io.BytesIO(out.getvalue())).convert("RGB")

    return change


def resized(share: float) -> Change:
    return lambda image, draw: image.resize((round(image.width * share), round(image.height * share)))


def cropped(share: float) -> Change:
    """To a part of each side, anywhere."""

    def change(image: Image.Image, draw: np.random.Generator) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left, top = (int(draw.integers(0, room + 1)) for room in (image.width - width, image.height - height))
        return image.crop((left, top, left + width, top + height))

    return change


def bordered(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    return ImageOps.expand(image, border=round(0.06 * min(image.size)), fill="white")


def written_on(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    marked = image.copy()
    height = image.height // 12
    ImageDraw.Draw(marked).rectangle((0, image.height - 2 * height, image.width // 2, image.height - height), "white")
    return marked


def sepia(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    return ImageOps.colorize(ImageOps.grayscale(image), "#2b1d0e", "#fff3d9")


def duller(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(0.7)).enhance(0.7)


def all_at_once(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    return encoded(40)(resized(0.5)(cropped(0.85)(image, draw), draw), draw)


def taken_again(image: Image.Image, draw: np.random.Generator) -> Image.Image:
    """As if the photographer had pressed again a moment later: turned, moved, nearer, in other light, with noise."""
    angle = float(draw.uniform(4, 9) * draw.choice([-1, 1]))
    turned = image.rotate(angle, Image.Resampling.BICUBIC)
    bent = turned.transform(turned.size, Image.Transform.PERSPECTIVE, _bend(image, draw), Image.Resampling.BICUBIC)
    share = float(draw.uniform(0.68, 0.78))
    inside = tuple(side * (1 - share) / 2 for side in image.size)
    left, top = (room + float(draw.uniform(-0.05, 0.05)) * side for room, side in zip(inside, image.size, strict=True))
    part = bent.crop((int(left), int(top), int(left + image.width * share), int(top + image.height * share)))
    lit = ImageEnhance.Brightness(part).enhance(float(draw.uniform(0.8, 1.25)))
    pixels = np.asarray(lit, np.float32) + draw.normal(0, 4, (lit.height, lit.width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _bend(image: Image.Image, draw: np.random.Generator) -> tuple[float, ...]:
    lean = draw.uniform(-0.15, 0.15, 2) / image.width
    return 1.0, float(draw.uniform(-0.03, 0.03)), 0.0, float(draw.uniform(-0.03, 0.03)), 1.0, 0.0, *map(float, lean)


SAME_PICTURE: dict[str, Change] = {
    "JPEG, quality 50": encoded(50),
    "JPEG, quality 15": encoded(15),
    "WebP, quality 30": encoded(30, "WEBP"),
    "half the size": resized(0.5),
    "a fifth of the size": resized(0.2),
    "cropped to 90 % of the sides": cropped(0.9),
    "cropped to 75 %": cropped(0.75),
    "cropped to 60 %": cropped(0.6),
    "grey": lambda image, draw: ImageOps.grayscale(image).convert("RGB"),
    "sepia": sepia,
    "brighter": lambda image, draw: ImageEnhance.Brightness(image).enhance(1.4),
    "darker, less contrast": lambda image, draw: ImageEnhance.Contrast(
        ImageEnhance.Brightness(image).enhance(0.7)
    ).enhance(0.7),
    "more colour": lambda image, draw: ImageEnhance.Color(image).enhance(2.0),
    "a white border": bordered,
    "a label on it": written_on,
    "cropped, half the size, JPEG 40": lambda image, draw: encoded(40)(
        resized(0.5)(cropped(0.85)(image, draw), draw), draw
    ),
}
