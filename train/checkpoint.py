"""Saves and restores training runs so that a resumed run continues exactly.

A checkpoint holds weights, optimizer moments and the number of the next step. That is all: order of data, choice of
captions and augmentation are functions of the recipe's seed and the step, so there is no random state to keep. Tensors
are stored as safetensors, nothing is pickled; a checkpoint appears under its name whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.errors import ConfigError, DataError
from core.model.clip import CLIP
from core.schema import parse
from train import log
from train.recipe import Recipe

KEEP = 2  # the newest, and one more in case the newest sits on a dying disk


def check_folder(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """May a run of `recipe` begin in `folder`, or with `resume` go on there?  Raises `DataError`, with nothing written.

    Checkpoints count as a run even without a log: a new one beside them would have the lower numbers, and lose them.
    """
    try:
        found = _checkpoints(folder)
        begun = bool(found) or (folder / log.NAME).exists()
    except OSError as error:
        raise DataError(f"the run cannot be kept in {folder}: {error.strerror}") from None
    if begun and not resume:
        raise DataError(f"{folder} holds a run already; go on with it (--resume), choose another folder or remove it")
    if resume and not begun:
        raise DataError(f"there is no run to go on with in {folder}; begin one without --resume, or say where it is")
    if found:
        _read_state(found[-1], recipe)


def save_checkpoint(
    folder: Path, step: int, model: CLIP, heads: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe
) -> Path:
    """Write `folder/step-NNNNNNN` for a run whose next step is `step`; older ones but one are removed.

    `model` goes into a file of its own, so that a checkpoint is a model; `heads` is what only the training needs.
    """
    final = folder / f"step-{step:07d}"
    temporary = folder / f".{final.name}.{os.getpid()}"
    temporary.mkdir(parents=True, exist_ok=True)
    for module, name in ((model, "model"), (heads, "heads")):
        tensors = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
        save_file(tensors, temporary / f"{name}.safetensors")
    save_file(_moments(optimizer), temporary / "optimizer.safetensors")
    (temporary / "state.json").write_text(json.dumps({"step": step, "recipe": recipe.model_dump_json()}), "utf-8")
    # The name must not reach the disk before what it stands for: after a power cut it would name empty files.
    for path in (*temporary.iterdir(), temporary):
        _to_disk(path)
    if final.exists():
        shutil.rmtree(final)
    temporary.replace(final)
    _to_disk(folder)
    for old in (*_checkpoints(folder)[:-KEEP], *folder.glob(".step-*")):  # those with a dot: left by a kill
        shutil.rmtree(old)
    return final


def restore_checkpoint(
    folder: Path, model: CLIP, heads: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe
) -> int:
    """Load the newest checkpoint of `folder` in place; returns the number of the next step, 0 if there is none.

    Raises `DataError` when the checkpoint belongs to another recipe or is damaged.
    """
    found = _checkpoints(folder)
    if not found:
        return 0
    newest = found[-1]
    step = _read_state(newest, recipe)
    try:
        model.load_state_dict(load_file(newest / "model.safetensors"))
        heads.load_state_dict(load_file(newest / "heads.safetensors"))
        _restore_moments(optimizer, load_file(newest / "optimizer.safetensors"))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _damaged(newest, error) from None
    return step


@contextmanager
def stop_between_steps() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C is only remembered, and the function given says so; a second one takes effect at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread gets signals
        return
    before = signal.getsignal(signal.SIGINT)

    def remember(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, remember)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _read_state(checkpoint: Path, recipe: Recipe) -> int:
    """The number of the next step. Raises `DataError` for another recipe: its values count, not how they were written,
    so that a field which a later version adds, with its default, keeps older checkpoints."""
    try:
        state = json.loads((checkpoint / "state.json").read_text("utf-8"))
        step, written = int(state["step"]), json.loads(state["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(checkpoint, error) from None
    try:
        same = parse(Recipe, written, str(checkpoint)) == recipe
    except ConfigError:
        same = False
    if not same:
        raise DataError(f"{checkpoint} was written by another recipe; give the run another folder, or start it anew")
    return step


def _damaged(checkpoint: Path, error: Exception) -> DataError:
    return DataError(f"{checkpoint} is damaged ({error}); remove it to go on from the one before")


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor.contiguous() for index, state in states.items() for name, tensor in state.items()}


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
