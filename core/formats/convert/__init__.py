"""Converts models of any format into ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.errors import ModelError
from core.formats.convert.converted import Converted, Source, save
from core.formats.convert.detect import FORMATS, Format, detect

__all__ = ["FORMATS", "Converted", "Format", "convert", "save"]


def convert(
    source: str | Path,
    *,
    tokenizer: str | Path | None = None,
    preprocess: str | Path | None = None,
    config: str | Path | None = None,
    name: str | None = None,
) -> Converted:
    """Read a model of any format in `FORMATS`; nothing in it is guessed, every tensor is accounted for.

    `tokenizer` is a tokenizer.json, the published merges file, or "none" for a model of token ids and images only;
    `preprocess` is "openai" or a configuration that has it, for sources that leave it open; `config` is the
    open_clip_config.json of a checkpoint that has none beside it; `name` is what people will call the model. Raises
    `ModelError` that says what is wrong or open, and what to do.
    """
    path = Path(source).expanduser()
    for what, given in (("tokenizer", tokenizer), ("preprocess", preprocess), ("config", config)):
        if given is not None and str(given) not in ("none", "openai") and not Path(given).is_file():
            raise ModelError(f"there is no file {given} to take the {what} from")
    if config is not None and path.is_file():
        request_of: tuple[str, Path, Path | None] = ("openclip", path.parent, path)
    else:
        request_of = detect(path)
    kind, folder, weights = request_of
    called = name or (path.stem if weights else folder.resolve().name)
    request = Source(path, folder, weights, called, tokenizer, preprocess, Path(config) if config else None)
    if config is not None and kind != "openclip":
        raise ModelError(f"{path} is {FORMATS[kind].what}; it has its own configuration, name no other")
    converted = FORMATS[kind].read(request)
    if name is not None:
        return replace(converted, config=converted.config.model_copy(update={"name": name}))
    return converted
