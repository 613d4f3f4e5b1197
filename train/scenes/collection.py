"""Writes a folder of painted scenes."""

from __future__ import annotations

import csv
from pathlib import Path

from core.errors import ConfigError
from train.scenes.painting import paint


def write_collection(folder: str | Path, n: int, seed: int = 0, size: int = 512) -> Path:
    """Writes scene-00001.jpg … and captions.csv (image,caption: every caption of every scene) into `folder`.

    Scene i is `paint(seed + i)`, i from 0. Returns the folder. Raises ConfigError when `n` is negative.
    """
    if n < 0:
        raise ConfigError(f"cannot write {n} scenes; choose a number from 0 on")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with (target / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "caption"))
        for i in range(n):
            scene, name = paint(seed + i, size), f"scene-{i + 1:05d}.jpg"
            scene.image.save(target / name, quality=90)
            writer.writerows((name, caption) for caption in [*scene.captions, scene.precise])
    return target
