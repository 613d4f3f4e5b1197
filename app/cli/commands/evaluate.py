"""`clipdex evaluate zeroshot|retrieval|probe DATA`: measures a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.commands import AsJson, Model, Precision

command = typer.Typer(help="Measure a model: zero-shot classification, retrieval, or a linear probe.")

Data = Annotated[Path, typer.Argument(help="A Parquet file, a folder of class folders, or a folder with captions.csv.")]


@command.command()
def zeroshot(
    data: Data,
    model: Model = "tiny",
    precision: Precision = "auto",
    templates: Annotated[str, typer.Option(help="Prompts around each class name: 80, 7, 1, or a file.")] = "80",
    as_json: AsJson = False,
) -> None:
    """Classify images by the names of their classes."""
    from core.inference.load import load_encoder
    from train.evaluation import evaluate

    encoder = load_encoder(model, precision=precision)
    _print(f"zero-shot, {model} on {data}", evaluate.zeroshot(encoder, data, templates), as_json)


@command.command()
def retrieval(data: Data, model: Model = "tiny", precision: Precision = "auto", as_json: AsJson = False) -> None:
    """Find images by their captions, and captions by their images."""
    from core.inference.load import load_encoder
    from train.evaluation import evaluate

    encoder = load_encoder(model, precision=precision)
    _print(f"retrieval, {model} on {data}", evaluate.retrieval(encoder, data), as_json)


@command.command()
def probe(
    train: Annotated[Path, typer.Argument(help="Labelled images to learn from.")],
    test: Annotated[Path, typer.Argument(help="Labelled images to be measured on.")],
    model: Model = "tiny",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a linear classifier on the frozen features."""
    from core.inference.load import load_encoder
    from train.evaluation import evaluate

    encoder = load_encoder(model, precision=precision)
    _print(f"linear probe, {model}: {train} -> {test}", evaluate.probe(encoder, train, test), as_json)


def _print(title: str, result: Any, as_json: bool) -> None:
    """Print a result of `train.evaluation.evaluate`: its JSON object, or its numbers as tables."""
    from app.cli.output import print_json, table

    values = result.model_dump(mode="json")
    if as_json:
        print_json(values)
        return
    plain = [(name, number(value)) for name, value in values.items() if not isinstance(value, dict | list)]
    table(title, ("measure", "value"), plain)
    for name, group in values.items():
        if isinstance(group, dict):
            print()
            table(name.replace("_", " "), ("", "value"), [(str(key), number(value)) for key, value in group.items()])


def number(value: object) -> str:
    """Shares with four digits, counts and words as they are."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
