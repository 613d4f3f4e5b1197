"""Loads the encoder of a name, a path, a model on the hub, or another package."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.encoder import Encoder
from core.errors import ConfigError, ModelError, unknown_choice
from core.inference import families
from core.inference.device import restrict
from core.inference.precision import PRECISIONS

if TYPE_CHECKING:
    from core.formats import hub
    from core.formats.convert import Converted

MODELS = Path(__file__).parents[1] / "models"


def _tiny(device: str, precision: str) -> Encoder:
    from core.inference.clip_encoder import CLIPEncoder

    if not (MODELS / "tiny" / "config.json").is_file():
        raise ModelError(f"the bundled model 'tiny' is not in this installation ({MODELS / 'tiny'}); reinstall clipdex")
    return CLIPEncoder.from_directory(MODELS / "tiny", device=device, precision=precision)


def _toy(device: str, precision: str) -> Encoder:
    from core.inference.toy import ToyEncoder

    return ToyEncoder()


def _from_hub(reference: hub.Reference, device: str, precision: str, download: bool) -> Encoder:
    from core.formats import hub
    from core.formats.convert import convert

    converted = convert(hub.resolve(reference.name, download=download), name=reference.name)
    if reference.description is not None:
        reference.description.check(converted.config)
    return _of(converted, device, precision)


def _of(converted: Converted, device: str, precision: str) -> Encoder:
    from core.inference.clip_encoder import CLIPEncoder

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
    """The encoder of a name in `ENCODERS`, of a family (`openclip:…`, `transformers:…`, `core/inference/families`), of
    a model on the hub (`core/formats/hub.py`), or else of a source of any format.

    Text that is a registered name means that name; a directory that happens to be called so is `./tiny` or a `Path`.
    `precision` ("auto", "fp32", "bf16", "fp16" or "int8", `core/inference/precision.py`) is what it computes in; the
    vectors stay in one space. With `exact` indexing decodes every image in full, as the origins do
    (`Encoder.decode_side`). Without `download` a model of the hub must be on this disk already. Raises `ModelError` for
    an unknown name, and for a path that is no model, a damaged one, or leaves something open; `MissingExtraError` for a
    family whose package is not installed; `ConfigError` for a precision or a device that is unknown or not to be had
    here.
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
    from core.formats import hub

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
    from core.formats.model_dir import is_model_directory
    from core.inference.clip_encoder import CLIPEncoder

    if is_model_directory(path):
        return CLIPEncoder.from_directory(path, device=device, precision=precision)
    from core.formats.convert import convert

    return _of(convert(path), device, precision)


def stable_name(model: str | Path) -> str:
    """What to remember a model by, so that `load_encoder` finds it from any folder: its name, or the full path."""
    if isinstance(model, str) and model in ENCODERS:
        return model
    if (family := families.split(model)) is not None:
        return families.lasting(*family)
    from core.formats import hub

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
    from core.formats import hub

    near = difflib.get_close_matches(str(model), hub.names(), n=3, cutoff=0.6)
    return f"; on the hub there is {' and '.join(near)}" if near else "; `clipdex models list` shows those on the hub"
