"""`clipdex train RECIPE.toml`: how is a model trained?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe: model, data, schedule. Some are in train/recipes.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the run goes, instead of where the recipe says.")
    ] = None,
) -> None:
    """Train a model as a recipe says."""
    from train.trainer import run

    run(recipe, out=out, resume=resume)
