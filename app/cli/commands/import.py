"""`clipdex import EMBEDDINGS --model NAME`: makes existing vectors searchable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.commands import AsJson, Precision


def command(
    embeddings: Annotated[Path, typer.Argument(help="A folder of clip-retrieval, a folder of .npy files, or one.")],
    model: Annotated[str, typer.Option("--model", "-m", help="The model that made the vectors: a name or a path.")],
    images: Annotated[
        str | None,
        typer.Option("--images", help="A folder, tar files, a zip or s3://…; else where their paths say."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Keep the collection here, or at s3://…, not in the images' folder.")
    ] = None,
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a collection of vectors that another program computed, without embedding the images again.

    Row k of each .parquet file (columns image_path, caption, and others) tells of vector k of the .npy file beside it.
    Some images are embedded again, to see that the model is the one that made the vectors.
    """
    from dataclasses import asdict

    from app.cli.output import counting, print_json
    from core.inference.load import load_encoder, stable_name
    from indexer.exchange.import_vectors import import_vectors
    from indexer.ingest.planning.source_resolution import absolute

    encoder = load_encoder(model, precision=precision)
    with counting("Importing") as progress:
        done = import_vectors(
            absolute(embeddings),
            encoder=encoder,
            images=images,
            to=to,
            load=stable_name(model),
            progress=progress,
        )
    if as_json:
        print_json(asdict(done))
    else:
        print(done.summary())
