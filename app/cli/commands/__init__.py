"""One file per command.

What several commands ask for is said here once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Option("--model", "-m", help="A name (clipdex models list), or the path of a model.")]
Folder = Annotated[Path, typer.Argument(help="A folder with a collection, or any folder beneath it.")]
Precision = Annotated[
    str, typer.Option(help="What the model computes in: auto, fp32, bf16, fp16 or int8; vectors stay comparable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
