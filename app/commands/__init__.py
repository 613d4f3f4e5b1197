"""One file per command of the command line.

What several commands ask for is said here once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Option("--model", "-m", help="A name (clipdex models list), or the path of a model.")]
Folder = Annotated[Path, typer.Argument(help="A folder with a collection, or any folder beneath it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
