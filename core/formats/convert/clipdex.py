"""Reads our own models: a model directory, or the folder of a training run."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import ConfigError, ModelError
from core.formats.convert.converted import Converted, Source
from core.formats.convert.fields import read_json
from core.formats.convert.vocabulary import NONE
from core.formats.convert.weights import Place, fit, parameters, read_safetensors
from core.formats.model_dir import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    is_model_directory,
    load_clip,
    load_tokenizer,
    read_config,
)
from core.model.config import ModelConfig
from core.schema import parse
from core.text.tokenizer import Tokenizer

CHECKPOINT = re.compile(r"step-(\d+)")
FINISHED = "model"


def read_directory(source: Source) -> Converted:
    """A model directory. Raises `ModelError` when it is incomplete or damaged."""
    folder = source.folder
    _refuse_changes(source)
    config, clip, tokenizer = read_config(folder), load_clip(folder), load_tokenizer(folder)
    if source.tokenizer == NONE:
        tokenizer, config = None, config.model_copy(update={"tokenizer": None})
    files = tuple(folder / name for name in (CONFIG, WEIGHTS, *([TOKENIZER] if tokenizer else [])))
    origin = {"format": "clipdex", "source": folder.name}
    return Converted(config, parameters(clip), tokenizer, origin, "clipdex", files)


def read_run(source: Source) -> Converted:
    """The finished model of a training run, else its newest checkpoint; or the one checkpoint that was named.

    Raises `ModelError` when there is none, or the run was started by a version that did not keep its configuration.
    """
    folder = source.folder
    _refuse_changes(source)
    if is_model_directory(folder / FINISHED):
        return read_directory(Source(source.path, folder / FINISHED, None, source.name, source.tokenizer))
    checkpoint = folder if CHECKPOINT.fullmatch(folder.name) else checkpoints(folder)[-1]
    run = checkpoint.parent
    if not (run / CONFIG).is_file() or not (run / TOKENIZER).is_file():
        raise ModelError(
            f"{run} holds checkpoints but no {CONFIG} and {TOKENIZER}: a version of clipdex that did not write them "
            "started this run; go on with it (clipdex train --resume), which writes them"
        )
    try:
        config = parse(ModelConfig, read_json(run / CONFIG), str(run / CONFIG))
    except ConfigError as error:
        raise ModelError(str(error)) from None
    if config.tokenizer is None:
        raise ModelError(f"{run / CONFIG} describes no tokenizer, and a training run has one")
    path = checkpoint / WEIGHTS
    weights = fit(
        config.clip,
        read_safetensors(path),
        lambda name: Place((name,)),
        path,
        lambda n: n.endswith("num_batches_tracked"),
    )
    tokenizer: Tokenizer | None = Tokenizer.from_file(run / TOKENIZER, config.tokenizer)
    if source.tokenizer == NONE:
        tokenizer = None
    config = config.model_copy(update={"tokenizer": tokenizer.config if tokenizer else None})
    origin = {"format": "clipdex run", "source": f"{run.name}/{checkpoint.name}"}
    return Converted(config, weights, tokenizer, origin, "clipdex run", (run / CONFIG, run / TOKENIZER, path))


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    found = [path for path in folder.glob("step-*") if CHECKPOINT.fullmatch(path.name) and (path / WEIGHTS).is_file()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def _refuse_changes(source: Source) -> None:
    """A model of ours has its own rules; other ones would make it another model under the same name."""
    if source.tokenizer not in (None, NONE) or source.preprocess or source.config:
        raise ModelError(
            f"{source.path} is a model of clipdex with its own tokenizer and preprocessing; name no others"
        )
