"""Lists the models that a person can choose in the browser, with their cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.formats.hub import RECOMMENDED_MODEL
from core.formats.model_catalog import DESCRIPTIONS, Description
from core.inference.load import ENCODERS

BUNDLED = "tiny"
ABOUT_BUNDLED = "Small and quick: knows everyday things roughly. For trying clipdex, or where there is no network."
LICENCE_BUNDLED = "trained on data sets published for research; check their terms (its card names them)"
BYTES_A_PARAMETER = 4
LONGEST_CARD = 50_000  # characters


@dataclass(frozen=True)
class Offer:
    """A model that can be named, and what a person should know before."""

    model: str
    download: float = 0.0  # bytes still to be fetched from the hub, as far as known; 0 where it is on this machine
    must_download: bool = False
    about: str = ""
    page: str = ""  # where people read about it
    licence: str = ""


def names() -> list[str]:
    """The known models: the recommended one, the one that comes along, the others in the order of their sizes."""
    others = sorted((each for each in DESCRIPTIONS if each.name != RECOMMENDED_MODEL), key=lambda each: each.parameters)
    return [RECOMMENDED_MODEL, BUNDLED, *(each.name for each in others)]


def label(name: str) -> str:
    """A known model in one line."""
    if name == BUNDLED:
        return f"{name} · comes with clipdex, no network needed"
    offer = offer_of(name)
    best = "recommended · " if name == RECOMMENDED_MODEL else ""
    return f"{name} · {best}{'to download' if offer.must_download else 'on this machine'}"


def offer_of(model: str) -> Offer:
    """What is known about a model by its name or path, without loading it. Raises `ModelError`, `SourceError`."""
    from app.library import open_collections
    from core.errors import ModelError, unknown_choice
    from core.formats import hub
    from core.inference import families

    model = model.strip()
    if not model:
        raise ModelError("type the name of a model, such as hf:OWNER/REPOSITORY, or the path of one")
    if model in ENCODERS:
        bundled = model == BUNDLED
        return Offer(model, about=ABOUT_BUNDLED if bundled else "", licence=LICENCE_BUNDLED if bundled else "")
    if families.split(model) is not None:
        return Offer(model, must_download=True, about="What it downloads depends on the package that reads it.")
    reference = hub.find(model)
    if reference is None:
        if not set(model) & set("/~\\'\""):  # a name
            choices = unknown_choice("model", model[:80], [BUNDLED, *hub.names()])
            raise ModelError(f"{choices}; or type the full path of one")
        return Offer(str(open_collections.allowed(model, "model")))
    here, known = hub.is_here(reference), reference.description
    if known is None:
        return Offer(model, must_download=not here, page=f"https://huggingface.co/{reference.repo}")
    size = 0.0 if here else float(known.parameters * BYTES_A_PARAMETER)
    return Offer(model, size, not here, described(known), known.page, known.licence)


def described(known: Description) -> str:
    """The numbers of a known model in one line."""
    said = [
        f"{known.parameters / 1e6:.0f} million parameters",
        f"images of {known.image_size} pixels",
        f"{known.embed_dim} numbers an image",
    ]
    if known.imagenet is not None:
        said.append(f"{known.imagenet:.1f} % on ImageNet")
    if known.coco_text_to_image is not None:
        said.append(f"{known.coco_text_to_image:.1f} % on COCO (right image first)")
    return " · ".join(said)


def known_as(name: str, load: str) -> Description | None:
    """The description of the model of a collection, if it is one of the known ones."""
    return next((each for each in DESCRIPTIONS if each.name in (name, load)), None)


def card_of(load: str) -> tuple[int | None, str]:
    """What a model directory says about itself, the bundled one or one at a path: pixels a side, and its card."""
    from core.errors import ClipdexError
    from core.formats.model_dir import read_config
    from core.inference.load import MODELS

    folder = MODELS / BUNDLED if load == BUNDLED else Path(load)
    if not folder.is_absolute() or not (folder / "config.json").is_file():
        return None, ""
    try:
        seen = read_config(folder).clip.vision.image_size
        card = (folder / "card.md").read_text("utf-8", "replace")[:LONGEST_CARD]
    except (ClipdexError, OSError):
        return None, ""
    return seen, card
