"""How do images and texts become unit vectors that can be compared?

`Encoder` is the interface that everything outside `core` sees; `load_encoder` turns a name or a model directory into
one. A new family is one class and one line in `ENCODERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.errors import ModelError, unknown_choice

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_MODEL = "tiny"
MODELS = Path(__file__).parent / "models"


class Encoder(Protocol):
    """Two towers, one object: images and texts in, vectors of one space out. Safe to call from several threads."""

    name: str
    """What people call the model: "tiny", "toy", or `name` in a model directory's configuration."""
    fingerprint: str
    """64 hexadecimal digits; same vectors, same fingerprint."""
    dim: int
    """d, the length of a vector."""
    logit_scale: float
    """What a cosine is multiplied with before a softmax; learned with the model."""

    def prepare(self, image: Image.Image) -> np.ndarray:
        """One picture as `core.images.open_image` returns it -> uint8 (s, s, 3). Cheap enough for decode threads."""
        ...

    def encode_prepared(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (n, s, s, 3) -> (n, d) float32, rows of length 1."""
        ...

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """n pictures -> (n, d) float32, rows of length 1: `encode_prepared` of each one's `prepare`."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, d) float32, rows of length 1."""
        ...


def _tiny(device: str) -> Encoder:
    from core.clip_encoder import CLIPEncoder

    if not (MODELS / "tiny" / "config.json").is_file():
        raise ModelError(f"the bundled model 'tiny' is not in this installation ({MODELS / 'tiny'}); reinstall clipdex")
    return CLIPEncoder.from_directory(MODELS / "tiny", device=device)


def _toy(device: str) -> Encoder:
    from core.toy import ToyEncoder

    return ToyEncoder()


ENCODERS: dict[str, Callable[[str], Encoder]] = {"tiny": _tiny, "toy": _toy}


def load_encoder(model: str | Path = DEFAULT_MODEL, *, device: str = "auto") -> Encoder:
    """The encoder of a name in `ENCODERS`, or else of a model directory.

    Text that is a registered name means that name; a directory that happens to be called so is `./tiny` or a `Path`.
    Raises `ModelError` for an unknown name and for a directory that is no model or a damaged one.
    """
    if isinstance(model, str) and model in ENCODERS:
        return ENCODERS[model](device)
    path = Path(model).expanduser()
    if not path.is_dir():
        if path.is_file():
            raise ModelError(f"{path} is a file; a model is a directory with config.json and model.safetensors")
        if len(path.parts) > 1:
            raise ModelError(f"there is no model directory {path}; the models by name are: {', '.join(ENCODERS)}")
        raise ModelError(f"{unknown_choice('model', str(model), ENCODERS)}, or the path of a model directory")
    from core.clip_encoder import CLIPEncoder

    return CLIPEncoder.from_directory(path, device=device)
