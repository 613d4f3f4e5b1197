"""`clipdex models list|show|convert|export`: lists, describes, reads and writes models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from core.formats.convert import Converted
    from core.model.config import ModelConfig

command = typer.Typer(
    help="List the models with a name, show what a model is, convert one into ours, export one of ours."
)

Model = Annotated[str, typer.Argument(help="A name, hf:OWNER/REPOSITORY, or the path of a model in any format.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@command.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models that have a name, with published numbers and whether they are on this disk."""
    from app.cli.output import print_json
    from core.formats import hub
    from core.formats.model_catalog import DESCRIPTIONS

    here = {each.name: (found := hub.find(each.name)) is not None and hub.is_here(found) for each in DESCRIPTIONS}
    if as_json:
        models = [each.model_dump(mode="json") | {"here": here[each.name]} for each in DESCRIPTIONS]
        print_json({"recommended": hub.RECOMMENDED_MODEL, "bundled": "tiny", "models": models})
    else:
        from app.cli.model_table import show as show_table

        show_table(DESCRIPTIONS, here, hub.RECOMMENDED_MODEL)


@command.command()
def show(
    model: Model,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure how near vectors in fewer bits are to those in fp32.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a model is: towers, sizes, activation, preprocessing, tokenizer, fingerprint, origin."""
    from app.cli.output import print_json

    facts = _facts(model)
    if measure:
        facts["cosine_to_fp32"] = _agreement(model)
    if as_json:
        print_json(facts)
    else:
        _show(facts)


@command.command()
def convert(
    source: Model,
    dest: Annotated[Path, typer.Argument(help="The model directory to write.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(help="For a source without one: a tokenizer.json, a merges file, hf:OWNER/REPOSITORY, or none."),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="For a source that leaves it open: openai, an open_clip_config.json, preprocessor_config.json."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The open_clip_config.json of a checkpoint that has none beside it.")
    ] = None,
) -> None:
    """Convert a model of any format into a model directory that needs nothing else."""
    from app.cli.output import short_path
    from core.formats import hub
    from core.formats.convert import save

    chosen: str | Path | None = tokenizer
    if tokenizer is not None and tokenizer.startswith(hub.PREFIX):
        chosen = hub.vocabulary(tokenizer)
    converted, extra = _read(source, tokenizer=chosen, preprocess=preprocess, config=config)
    save(converted, dest, origin=extra)
    print(f"{converted.config.name} is in {short_path(dest)}  ({converted.fingerprint()[:12]})")


@command.command()
def export(
    model: Model,
    dest: Annotated[Path, typer.Argument(help="The folder to write; it must be absent or empty.")],
    to: Annotated[str, typer.Option("--format", "-f", help="transformers, openclip or onnx.")],
) -> None:
    """Export a model for other programs: transformers, OpenCLIP, or two ONNX graphs."""
    from app.cli.output import short_path
    from core.formats.export import export as write

    converted, _ = _read(model)
    notes = write(converted, dest, to)
    print(f"{converted.config.name} is in {short_path(dest)}, in the format {to}")
    for note in notes:
        print(f"differently there: {note}")


def _read(model: str, **choices: Any) -> tuple[Converted, dict[str, Any]]:
    """A model of any format that can become one of ours, and where it came from if that was the hub."""
    from core.errors import ModelError
    from core.formats import hub
    from core.formats.convert import convert as read
    from core.inference import families
    from core.inference.load import MODELS, load_encoder

    if model == "toy" or families.split(model) is not None:
        raise ModelError(f"{model} is not a CLIP model of ours: it has no weights that a model directory could hold")
    reference = hub.find(model)
    if reference is not None:
        folder = hub.resolve(model)
        converted = read(folder, name=reference.name, **choices)
        if reference.description is not None:
            reference.description.check(converted.config)
        return converted, hub.read_origin(folder) or {}
    path = MODELS / "tiny" if model == "tiny" else Path(model).expanduser()
    if not path.exists():
        load_encoder(model)  # raises the sentence for an unknown name
    return read(path, **choices), {}


def _facts(model: str) -> dict[str, Any]:
    """What is known about a model, as the JSON answer holds it; of one that is not here its description."""
    from core.formats import hub
    from core.inference import families
    from core.inference.load import MODELS

    reference = None if families.split(model) else hub.find(model)
    if reference is not None:
        if not hub.is_here(reference):
            if reference.description is None:
                hub.resolve(model, download=False)  # says how it gets here
                raise AssertionError("a model that is not here was found")
            return {"name": reference.name, "here": False, "description": reference.description.model_dump(mode="json")}
        folder = hub.resolve(model, download=False)
        origin = hub.read_origin(folder)
        facts = _of(folder, reference.name) | {"here": True}
        if origin is not None:
            facts["origin"] = {**facts["origin"], **origin}
        if reference.description is not None:
            facts["description"] = reference.description.model_dump(mode="json")
        return facts
    if families.split(model) is not None:
        return _of_family(model)
    if model == "toy":
        from core.inference.toy import ToyEncoder

        toy = ToyEncoder()
        about = "colour and layout histograms, words hashed to the same axes; no training, for tests"
        return {"name": toy.name, "here": True, "fingerprint": toy.fingerprint, "embed_dim": toy.dim, "about": about}
    return _of(MODELS / "tiny" if model == "tiny" else Path(model).expanduser(), None) | {"here": True}


def _of_family(model: str) -> dict[str, Any]:
    """A model of another package, as it is loaded; one that is not here is not downloaded to be looked at."""
    from core.inference.families.encoder import FamilyEncoder
    from core.inference.load import load_encoder

    encoder = load_encoder(model, device="cpu", download=False)
    assert isinstance(encoder, FamilyEncoder)
    family = encoder.family
    count = sum(parameter.numel() for parameter in family.module.parameters())
    trained = "a sigmoid" if family.logit_bias is not None else "a softmax"
    about = (
        f"{type(family.module).__name__} of the package for {model.partition(':')[0]}; {count:,} parameters; reads "
        f"{family.room} tokens of a text; probabilities by {trained}"
    )
    return {
        "name": encoder.name,
        "here": True,
        "fingerprint": encoder.fingerprint,
        "embed_dim": encoder.dim,
        "about": about,
        "rules": family.facts,
    }


def _agreement(model: str) -> dict[str, Any]:
    """Over 32 painted scenes and their captions."""
    from core.inference.embedding_comparison import agreement
    from train.scenes import paint

    scenes = [paint(seed, size=256) for seed in range(32)]
    found = agreement(model, [scene.image for scene in scenes], [scene.precise for scene in scenes])
    return {precision: each.model_dump() for precision, each in found.items()}


def _of(path: Path, name: str | None) -> dict[str, Any]:
    import json

    from core.formats.convert import convert as read
    from core.inference.load import load_encoder

    if not path.exists():
        load_encoder(str(path))  # raises the sentence for an unknown name
    converted = read(path, tokenizer=None, name=name)
    origin: dict[str, Any] = dict(converted.origin)
    own = path / "origin.json"
    if converted.format == "clipdex" and own.is_file():
        origin |= json.loads(own.read_text("utf-8"))
    clip = converted.clip()
    counts = {
        part: sum(parameter.numel() for parameter in module.parameters())
        for part, module in (("total", clip), ("image", clip.visual), ("text", clip.text))
    }
    return {
        "name": name or converted.config.name,
        "format": converted.format,
        "fingerprint": converted.fingerprint(),
        "parameters": counts,
        "config": converted.config.model_dump(mode="json"),
        "vocabulary": converted.tokenizer.vocab_size if converted.tokenizer else None,
        "origin": origin,
    }


def _show(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from app.cli.output import console, printable

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for what, text in lines(facts):
        grid.add_row(what, printable(text))
    console().print(grid)


def lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts of a model as (what, sentence)."""
    found = [("name", str(facts["name"]))]
    if "about" in facts:
        found += [("what", facts["about"]), ("numbers", f"{facts['embed_dim']} an image")]
    if "config" in facts:
        found += _towers(facts)
    if "fingerprint" in facts:
        found.append(("fingerprint", facts["fingerprint"]))
    for key, value in facts.get("origin", {}).items():
        if isinstance(value, str | int | float):
            found.append((f"origin: {key}", str(value)))
    for precision, near in facts.get("cosine_to_fp32", {}).items():
        text = (
            f"cosine to fp32: images {near['images_mean']:.5f} (least {near['images_least']:.5f}), "
            f"texts {near['texts_mean']:.5f} ({near['texts_least']:.5f})"
        )
        found.append((precision, text))
    if known := facts.get("description"):
        found += _published(known, facts["here"])
    return found


def _towers(facts: dict[str, Any]) -> list[tuple[str, str]]:
    from core.model.config import ModelConfig

    config: ModelConfig = ModelConfig.model_validate(facts["config"])
    counts, clip = facts["parameters"], config.clip
    return [
        ("format", facts["format"]),
        ("image tower", f"{_tower(clip.vision)}; {counts['image']:,} parameters"),
        ("text tower", f"{_tower(clip.text)}; {counts['text']:,} parameters"),
        ("numbers", f"{clip.embed_dim} an image or text"),
        ("preprocessing", _preprocessing(config)),
        ("tokenizer", _tokenizer(config, facts["vocabulary"])),
    ]


def _tower(tower: Any) -> str:
    """`vit: image_size 224, patch_size 32, …`, every number of a tower's configuration."""
    values = tower.model_dump()
    kind = values.pop("kind")
    return f"{kind}: " + ", ".join(f"{name} {value}" for name, value in values.items())


def _preprocessing(config: ModelConfig) -> str:
    rules = config.preprocess
    mean = " ".join(f"{value:g}" for value in rules.mean)
    std = " ".join(f"{value:g}" for value in rules.std)
    return (
        f"{rules.resize} to {rules.image_size} px, {rules.interpolation} ({rules.backend}), RGB {rules.convert}, "
        f"crop rounded {rules.crop_rounding}, mean {mean}, std {std}"
    )


def _tokenizer(config: ModelConfig, vocabulary: int | None) -> str:
    rules = config.tokenizer
    if rules is None:
        return "none: the model reads images and token ids only"
    return f"{vocabulary:,} tokens, texts up to {rules.context_length}, cleaned as {rules.clean}"


def _published(known: dict[str, Any], here: bool) -> list[tuple[str, str]]:
    from app.cli.model_table import percent

    numbers = (
        f"ImageNet {percent(known['imagenet'])} %, COCO t→i {percent(known['coco_text_to_image'])} %, "
        f"i→t {percent(known['coco_image_to_text'])} %, Flickr t→i {percent(known['flickr_text_to_image'])} %"
    )
    shape = (
        f"{known['parameters']:,} parameters, {known['image_size']} px, {known['embed_dim']} numbers, "
        f"{known['activation']}"
    )
    where = f"https://huggingface.co/{known['repo']}" + (f" at {known['revision'][:12]}" if known["revision"] else "")
    found = [] if here else [("here", f"no; using it downloads it: --model {known['name']}"), ("towers", shape)]
    return [*found, ("repository", where), ("published", numbers), ("licence", known["licence"])]
