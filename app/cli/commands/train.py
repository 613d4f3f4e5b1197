"""`clipdex train RECIPE.toml`: trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe: model, data, schedule. Some are in train/recipes.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where the run goes; runs/NAME unless given.")] = None,
    data: Annotated[Path, typer.Option("--data", help="The folder that the recipe's paths start from.")] = Path(),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, …")] = "auto",
) -> None:
    """Train a model as a recipe says. Ctrl-C writes a checkpoint; --resume goes on from it."""
    from train.trainer import run

    model = run(recipe, data=data, out=out, resume=resume, device=device, report=_show)
    print(f"the model is in {model}")


def _show(record: dict[str, Any]) -> None:
    """A record of the log as one line, a note on stderr."""
    from app.cli.output import note

    if "note" in record:
        note(record["note"])
    else:
        print(line(record), flush=True)


def line(record: dict[str, Any]) -> str:
    """`step 40/600  loss 3.12  …  measured: name 0.41`, of what the record holds."""
    parts = [f"step {record['step']:>6}/{record['of']}"]
    if "loss" in record:
        parts += [
            f"loss {record['loss']:.4f}",
            f"rate {record['learning_rate']:.2e}",
            f"scale {record['logit_scale']:.1f}",
            f"{record['images_per_second']:.0f} images/s",
        ]
    if measured := record.get("measured"):
        parts.append(" ".join(f"{name} {value:.4f}" for name, value in measured.items()))
    return "  ".join(parts)
