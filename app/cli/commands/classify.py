"""`clipdex classify IMAGE… --labels "cat,dog"`: ranks labels for images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Model, Precision

if TYPE_CHECKING:
    from core.text.zeroshot import Label

OPEN_AT_ONCE = 16  # a decoded photo takes tens of megabytes


def command(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="The images to label.")],
    labels: Annotated[str, typer.Option("--labels", "-l", help='The choices, with commas: "cat,dog,a red bus".')],
    model: Model = "tiny",
    templates: Annotated[str, typer.Option(help="Prompts around each label: 80, 7, 1, or a file with {} lines.")] = "7",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Label images with words of your own, with probabilities. No collection is needed.

    Without --model it is the small model that comes with clipdex, tiny; a larger one is right more often.
    """
    from app.cli.output import print_json
    from core.errors import QueryError
    from core.image.decode import open_image
    from core.inference.load import load_encoder
    from core.text.zeroshot import classify
    from core.text.zeroshot import templates as read_templates

    names = [label.strip() for label in labels.split(",") if label.strip()]
    if len(set(names)) < 2:
        raise QueryError(f'give at least two different labels to choose from, not {labels!r}: --labels "cat,dog"')
    encoder, prompts = load_encoder(model, precision=precision), read_templates(templates)
    ranked: list[list[Label]] = []
    for start in range(0, len(images), OPEN_AT_ONCE):
        pictures = [open_image(path) for path in images[start : start + OPEN_AT_ONCE]]
        ranked += classify(encoder, pictures, names, prompts)
    if as_json:
        print_json({"model": model, "images": [_as_dict(path, row) for path, row in zip(images, ranked, strict=True)]})
        return
    for path, row in zip(images, ranked, strict=True):
        _show(path, row)


def _as_dict(path: Path, row: Sequence[Label]) -> dict[str, object]:
    labels = [
        {"name": label.name, "probability": round(float(label.probability), 6), "score": round(float(label.score), 6)}
        for label in row
    ]
    return {"path": str(path), "labels": labels}


def _show(path: Path, row: Sequence[Label]) -> None:
    """At a terminal a small bar chart; elsewhere `path<TAB>label<TAB>probability`, the best label only."""
    from rich.text import Text

    from app.cli.output import console, printable, short_path

    if not sys.stdout.isatty():
        print(f"{printable(short_path(path))}\t{printable(row[0].name)}\t{row[0].probability:.4f}")
        return
    out = console()
    out.print(Text(printable(short_path(path)), style="bold"))
    width = max(len(label.name) for label in row)
    for label in row:
        line = Text(f"  {label.probability:6.1%}  ", style="cyan")
        line.append(f"{printable(label.name):<{width}}  ", style="")
        line.append("█" * round(label.probability * 24), style="blue")
        out.print(line)
