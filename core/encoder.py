"""How do images and texts become unit vectors that can be compared?

`Encoder` is the interface that everything outside `core` sees; `load_encoder` turns a name, or a model of any format
in `core.convert.FORMATS`, into one. A new encoder is one class and one line in `ENCODERS`; the models of another
package are one file and one line in `core.families.FAMILIES`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core import families
from core.device import PRECISIONS, restrict
from core.errors import ConfigError, ModelError, unknown_choice

if TYPE_CHECKING:
    from PIL import Image

    from core import hub
    from core.convert import Converted
    from core.images import Opened

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
    """What a cosine is multiplied with before a softmax; learned with the model. A model that was trained with a
    sigmoid also has a `logit_bias`, which is added before it."""
    decode_side: int | None
    """How small, in pixels of its shorter side, a picture may be decoded for `prepare`; None: in full, to be exact."""

    def prepare(self, image: Image.Image, full: tuple[int, int] | None = None) -> np.ndarray:
        """One picture as `core.images.open_image` returns it -> uint8 (s, s, 3). Cheap enough for decode threads.

        `full` is the size of the whole picture where `open_reduced` gave it: then nearly the same pixels, sooner.
        """
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

    def truncation(self, texts: Sequence[str]) -> list[str | None]:
        """For each text the first word that is too far behind for the model to see, None where it sees all."""
        ...


def read_picture(
    encoder: Encoder,
    source: str | Path | bytes | Image.Image,
    zoom: float = 1.0,
    admit: Callable[[int], None] = lambda pixels: None,
) -> tuple[Opened, np.ndarray]:
    """A picture, decoded as far as the encoder and a thumbnail need it, and what the encoder sees of it, uint8
    (s, s, 3). Indexing and queries both come this way, so that one file has one vector. With a `zoom` it is decoded
    finer, for parts of it so many times smaller than the whole; `admit` is `open_reduced`'s. Raises `ImageError`."""
    from core.images import THUMBNAIL_SIDE, open_reduced

    if encoder.decode_side is None:
        opened = open_reduced(source, None, admit=admit)
        return opened, encoder.prepare(opened.image)
    opened = open_reduced(source, max(math.ceil(zoom * encoder.decode_side), THUMBNAIL_SIDE), admit=admit)
    return opened, encoder.prepare(opened.image, (opened.width, opened.height))


def _tiny(device: str, precision: str) -> Encoder:
    from core.clip_encoder import CLIPEncoder

    if not (MODELS / "tiny" / "config.json").is_file():
        raise ModelError(f"the bundled model 'tiny' is not in this installation ({MODELS / 'tiny'}); reinstall clipdex")
    return CLIPEncoder.from_directory(MODELS / "tiny", device=device, precision=precision)


def _toy(device: str, precision: str) -> Encoder:
    from core.toy import ToyEncoder

    return ToyEncoder()


def _from_hub(reference: hub.Reference, device: str, precision: str, download: bool) -> Encoder:
    from core import hub
    from core.convert import convert

    converted = convert(hub.resolve(reference.name, download=download), name=reference.name)
    if reference.description is not None:
        reference.description.check(converted.config)
    return _of(converted, device, precision)


def _of(converted: Converted, device: str, precision: str) -> Encoder:
    from core.clip_encoder import CLIPEncoder

    return CLIPEncoder.from_weights(
        converted.weights,
        converted.config,
        converted.tokenizer,
        device=device,
        precision=precision,
        fingerprint=converted.fingerprint(),
    )


TESTING = "toy"  # for tests: loaded by its name, and suggested to nobody who did not nearly write it
ENCODERS: dict[str, Callable[[str, str], Encoder]] = {"tiny": _tiny, TESTING: _toy}


def load_encoder(
    model: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    exact: bool = False,
    download: bool = True,
) -> Encoder:
    """The encoder of a name in `ENCODERS`, of a family (`openclip:…`, `transformers:…`, `core/families`), of a model on
    the hub (`core/hub.py`), or else of a source of any format.

    Text that is a registered name means that name; a directory that happens to be called so is `./tiny` or a `Path`.
    `precision` ("auto", "fp32", "bf16", "fp16" or "int8", `core/precision.py`) is what it computes in; the vectors stay
    in one space. With `exact` indexing decodes every picture in full, as the origins do (`Encoder.decode_side`).
    Without `download` a model of the hub must be on this disk already. Raises `ModelError` for an unknown name, and
    for a path that is no model, a damaged one, or leaves something open; `MissingExtraError` for a family whose package
    is not installed; `ConfigError` for a precision or a device that is unknown or not to be had here.
    """
    restrict()
    if precision not in PRECISIONS:
        raise ConfigError(unknown_choice("precision", precision, PRECISIONS))
    encoder = _load(model, device, precision, download)
    if exact:
        encoder.decode_side = None
    return encoder


def _load(model: str | Path, device: str, precision: str, download: bool) -> Encoder:
    if isinstance(model, str) and model in ENCODERS:
        return ENCODERS[model](device, precision)
    if (family := families.split(model)) is not None:
        prefix, rest = family
        return families.FAMILIES[prefix](rest, device, precision, download)
    from core import hub

    if isinstance(model, str) and (reference := hub.find(model)) is not None:
        return _from_hub(reference, device, precision, download)
    try:
        path = Path(model).expanduser()
        there = path.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder that is closed, a home of nobody
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"there is no model {str(model)!r:.80} that can be read: {reason}") from None
    if not there:
        raise _absent(model)
    from core.clip_encoder import CLIPEncoder
    from core.model_dir import is_model_directory

    if is_model_directory(path):
        return CLIPEncoder.from_directory(path, device=device, precision=precision)
    from core.convert import convert

    return _of(convert(path), device, precision)


def lasting(model: str | Path) -> str:
    """What to remember a model by, so that `load_encoder` finds it from any folder: its name, or the full path."""
    if isinstance(model, str) and model in ENCODERS:
        return model
    if (family := families.split(model)) is not None:
        return families.lasting(*family)
    from core import hub

    if isinstance(model, str) and (reference := hub.find(model)) is not None:
        return reference.name
    return str(Path(model).expanduser().resolve())


def _absent(model: str | Path) -> ModelError:
    """What to say of a model that is not there: of a path that nothing is at it, of a name which names there are."""
    given = str(model)
    names = [name for name in ENCODERS if name != TESTING or difflib.get_close_matches(given, [name])]
    if isinstance(model, Path) or given.startswith((".", "~")) or any(sign in given for sign in "/\\"):
        known = f"the models by name are: {', '.join(names)}{_meant(model)}"
        return ModelError(f"there is no model {given}; no file or folder is at that path, and {known}")
    return ModelError(f"{unknown_choice('model', given, names)}, or the path of a model{_meant(model)}")


def _meant(model: str | Path) -> str:
    from core import hub

    near = difflib.get_close_matches(str(model), hub.names(), n=3, cutoff=0.6)
    return f"; on the hub there is {' and '.join(near)}" if near else "; `clipdex models list` shows those on the hub"
