"""`clipdex export FOLDER TO`: writes the vectors of a collection to files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import AsJson


def command(
    folder: Annotated[Path, typer.Argument(help="A folder with a collection, or any folder beneath it.")],
    to: Annotated[Path, typer.Argument(help="A folder that is empty or not there yet.")],
    layout: Annotated[
        str, typer.Option("--format", "-f", help="clip-retrieval (img_emb, text_emb, metadata), or npy.")
    ] = "clip-retrieval",
    dtype: Annotated[str, typer.Option(help="Of the numbers: float16 or float32.")] = "float16",
    per_file: Annotated[int, typer.Option(min=1, help="Images a file, for clip-retrieval.")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Write all vectors as .npy files and what is known of the images as Parquet; clipdex import reads them again."""
    from dataclasses import asdict

    from app.cli.output import counting, print_json, short_path
    from app.formatting import format_size
    from indexer.collection.collection import Collection
    from indexer.exchange.export_vectors import export_vectors

    collection = Collection.find(folder.expanduser())
    place = to.expanduser().absolute()
    with counting("Exporting") as progress:
        done = export_vectors(collection, place, layout=layout, dtype=dtype, per_file=per_file, progress=progress)
    if as_json:
        print_json(asdict(done))
        return
    print(f"{done.images:,} images and {done.texts:,} captions, {format_size(done.size_bytes)} in {short_path(place)}:")
    for name in done.files:
        print(f"  {name}")
