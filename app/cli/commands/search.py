"""`clipdex search QUERY [FOLDER]`: finds images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.commands import AsJson, Precision

if TYPE_CHECKING:
    from clipdex import Hit, Searcher
    from indexer.search.query import Query
    from indexer.search.query_parser import Line

Several = list[str]
Region = Annotated[str | None, typer.Option(help="A part of --image or --like: left,top,right,bottom from 0 to 1.")]


def command(
    query: Annotated[str | None, typer.Argument(help="What to find, in quotes: 'a red car -snow'.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Where to look; the current folder unless given.")] = None,
    image: Annotated[Several | None, typer.Option(help="Images like this file; FILE:0.5 weighs it.")] = None,
    region: Region = None,
    like: Annotated[Several | None, typer.Option(help="Images like this item of the collection; ID:0.5.")] = None,
    also: Annotated[Several | None, typer.Option("--with", help="More words, with a weight: 'snow:0.5'.")] = None,
    without: Annotated[Several | None, typer.Option(help="Words to lead away from; 'snow:0.5' weighs them.")] = None,
    vector: Annotated[str | None, typer.Option(help="Numbers of the model: .npy or JSON, - for what comes in.")] = None,
    where: Annotated[Several | None, typer.Option(help="A condition: 'width>=1000', 'folder=trips'.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Take QUERY as words; no sign in it means anything.")] = False,
    hybrid: Annotated[bool, typer.Option("--hybrid", help="Rank by words in captions and file names, too.")] = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="Look at parts of images, too: finds small things.")] = False,
    collapse: Annotated[str | None, typer.Option(help="Leave out copies: bytes, picture or scene.")] = None,
    diverse: Annotated[float, typer.Option(help="From 0 to 1: prefer hits that differ from those before.")] = 0.0,
    sort: Annotated[str, typer.Option(help="score, or date: what seems to match, the newest first.")] = "score",
    templates: Annotated[str | None, typer.Option(help="Put words into prompts: 80, 7, 1 or a file.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many hits.")] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Skip the first N results.")] = 0,
    texts: Annotated[bool, typer.Option("--texts", help="Search the captions, not the images.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Insist on this model.")] = None,
    precision: Precision = "auto",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table with commas, names in its first row.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the hits to this .csv, .parquet, .zip or .txt.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --save replace a file.")] = False,
) -> None:
    """Find images by words, by examples, and by what is known of them.

    Like grep, it looks in the current folder unless told where; a collection is found from any folder beneath it.
    QUERY may hold signs: red car -snow "parking lot" folder:trips after:2024-01-01. Most options may be repeated. With
    --image, --like, --vector, --with, --without or --where QUERY may be missing; then one word that names a folder is
    FOLDER.
    """
    import clipdex
    from app.cli import search_options
    from indexer.search.query import AWAY, Query
    from indexer.search.query_parser import Line

    search_options.one_of({"--json": as_json, "--csv": as_csv, "--save": save is not None})
    search_options.free(save, force=force)
    image, like, also, without, where = (given or [] for given in (image, like, also, without, where))
    asks = bool(image or like or also or without or where or vector is not None)
    words, place = search_options.query_and_folder(query, folder, needed=not asks)
    box = search_options.box(region, len(image) + len(like))
    searcher = clipdex.open(place, model=model, precision=precision)
    line = Line(words) if plain and words is not None else None if words is None else searcher.read(words)
    question = Query.of(
        [*([] if line is None else [line]), *search_options.texts(also)],
        image=search_options.pictures(image, box),
        like=search_options.likes(like, searcher, box),
        vector=None if vector is None else search_options.vector(vector, searcher.collection.info.model.dim),
        without=search_options.texts(without, AWAY),
        where=where,
        templates=templates,
        hybrid=hybrid,
        tiles=tiles,
        collapse=collapse,
        diverse=diverse,
        sort=sort,
        target="texts" if texts else "images",
        limit=limit,
        offset=offset,
    )
    hits = searcher.find(question)
    cut = searcher.first_cut(line.text) if line is not None and line.text else None
    _tell(line, question, hits, searcher, cut)
    if save is not None:
        print(searcher.export(hits, save).summary())
    elif as_json:
        _print_json(words, question, cut, hits)
    else:
        _print(hits, as_csv=as_csv, texts=texts)


def _print(hits: list[Hit], *, as_csv: bool, texts: bool) -> None:
    from app.cli.output import note, nothing_matches, print_csv, print_hits

    if as_csv:
        print_csv(hits)
        return
    if nothing_matches(hits):
        note("nothing here clearly matches; these are the best guesses")
    print_hits(hits, texts=texts)


def _tell(line: Line | None, question: Query, hits: list[Hit], searcher: Searcher, cut: str | None) -> None:
    """What a person should know about the answer, on stderr."""
    from app.cli.output import note
    from indexer.search.filters import listing
    from indexer.search.query import MAX_LIMIT

    if cut is not None:
        note(f"the model ignores {cut!r} and what follows; use fewer words")
    for doubt in line.doubts if line is not None else ():
        note(f"{doubt!r} was searched as words; {listing(searcher.snapshot().columns)}")
    if not hits and not len(searcher.snapshot().ids):
        note("the collection holds no images yet: add some to its folder and run clipdex index again")
    elif not hits and question.offset:
        count = len(searcher.find(replace(question, offset=0, limit=min(question.offset, MAX_LIMIT))))
        note(f"there {'is' if count == 1 else 'are'} only {count:,} {'hit' if count == 1 else 'hits'}")
    elif not hits and (question.where or question.holding or question.not_holding):
        said = [*map(str, question.where), *(f'"{phrase}"' for phrase in question.holding)]
        said += [f'-"{phrase}"' for phrase in question.not_holding]
        told = f"nothing meets {' and '.join(said)}"
        if question.holding and not searcher.snapshot().texts.num_rows:
            told += "; the collection has no captions, so only the names of files were looked at"
        note(told + ("; --plain takes signs as words" if line is not None and line.is_special else ""))


def _print_json(words: str | None, question: Query, cut: str | None, hits: list[Hit]) -> None:
    from app.cli.output import hit_as_dict, nothing_matches, print_json

    print_json(
        {
            "query": words,
            "parts": [
                {"label": label, "weight": part.weight}
                for label, part in zip(question.labels(), question.parts, strict=True)
            ],
            "where": list(map(str, question.where)),
            "holding": question.holding,
            "not_holding": question.not_holding,
            "hybrid": question.hybrid,
            "tiles": question.tiles,
            "collapse": question.collapse,
            "diverse": question.diverse,
            "sort": question.sort,
            "target": question.target,
            "limit": question.limit,
            "offset": question.offset,
            "cut_from": cut,
            "nothing_matches": nothing_matches(hits),
            "hits": [hit_as_dict(hit) for hit in hits],
        }
    )
