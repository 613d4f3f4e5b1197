"""Reads the tensors of a TorchScript archive without running or compiling its code.

The archive's `data.pkl` describes the module tree with its parameters and buffers; the numbers lie in the entries
`data/0`, `data/1`, … Modules become plain dicts, code and constants are never opened. Each storage's declared size is
held against its entry, each tensor's shape and strides against its storage, before a tensor is made; the tensors are
views of the file, mapped copy-on-write.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import ModelError
from core.formats.pickle_reader import read_pickle
from core.formats.torch_archive import Entry, stored_entries

STORAGES = {
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
# What of an archive is not read: the code, its constants, what they were compiled from, and bookkeeping.
UNREAD = r"(code|constants|extra|\.data)/|constants\.pkl$|(version|byteorder|\.format_version|\.storage_alignment)$"
MAX_DESCRIPTION = 64 * 1024 * 1024
MAX_NODES = 1_000_000  # a description may name one module in many places, and so unfold without end
MAX_AXES = 16


@dataclass(frozen=True)
class _Storage:
    dtype: torch.dtype
    entry: Entry
    numbers: int


def load_torchscript(path: Path) -> dict[str, Tensor]:
    """Every tensor of the module tree under its dotted name, on the CPU. Raises `ModelError` for what does not add up.

    Attributes that are neither tensors nor modules (`training`, numbers) are left out.
    """
    entries = stored_entries(path, unread=UNREAD)
    if entries["data.pkl"].size > MAX_DESCRIPTION:
        raise ModelError(f"{path}: data.pkl of {entries['data.pkl'].size} bytes is too large for a description")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    reader = _Reader(mapped, entries)
    description = mapped[entries["data.pkl"].start :][: entries["data.pkl"].size]
    try:
        tree = read_pickle(description, reader.find, reader.storage)
        return _flat(tree)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


class _Reader:
    """Answers what the description asks for: storages, tensors, containers and empty module objects."""

    def __init__(self, mapped: mmap.mmap, entries: Mapping[str, Entry]) -> None:
        self.mapped, self.entries = mapped, entries

    def find(self, name: str) -> Any:
        if name in STORAGES:
            return _StorageKind(STORAGES[name])
        if name == "torch._utils _rebuild_tensor_v2":
            return self.tensor
        if name == "torch._utils _rebuild_parameter":
            return lambda tensor, *_: tensor
        if name == "collections OrderedDict":
            return dict
        if name.startswith("torch.jit._pickle build_"):
            return lambda items, *_: items
        if name.startswith("__torch__"):
            return dict
        module, _, function = name.partition(" ")
        raise ModelError(
            f"it holds {module}.{function}, which is neither a tensor nor a plain value; it is refused, nothing was run"
        )

    def storage(self, reference: Any) -> _Storage:
        if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
            raise ModelError("it refers to something outside itself that is no storage")
        _, kind, key, _, numbers = reference
        entry = self.entries.get(f"data/{key}") if isinstance(key, str) else None
        if entry is None or not isinstance(kind, _StorageKind):
            raise ModelError("a storage is missing or of an unknown number format")
        if type(numbers) is not int or numbers * kind.dtype.itemsize != entry.size:
            raise ModelError(f"the storage {key!r} declares {numbers} numbers, but its entry has {entry.size} bytes")
        return _Storage(kind.dtype, entry, numbers)

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
        if not isinstance(storage, _Storage):
            raise ModelError("a tensor without a storage")
        _check_extent(storage, offset, shape, strides)
        if storage.numbers == 0 or 0 in shape:
            return torch.empty(shape, dtype=storage.dtype)
        size = storage.entry.size
        raw = torch.frombuffer(self.mapped, dtype=torch.uint8, offset=storage.entry.start, count=size)
        if storage.entry.start % storage.dtype.itemsize:
            raw = raw.clone()  # PyTorch aligns entries to 64 bytes; others may not
        return raw.view(storage.dtype).as_strided(shape, strides, offset)


class _StorageKind:
    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def _check_extent(storage: _Storage, offset: Any, shape: Any, strides: Any) -> None:
    """Inside the storage, and no number used twice: a stride of 0 makes a tensor of any size from one number."""
    if any(type(n) is not int for n in (offset, *shape, *strides)) or len(shape) != len(strides):
        raise ModelError("a tensor whose shape, strides or offset are not whole numbers")
    if min(offset, *shape, *strides, 0) < 0 or len(shape) > MAX_AXES:
        raise ModelError(f"a tensor of shape {tuple(shape)}, strides {tuple(strides)} and offset {offset}: refused")
    if 0 in shape:
        return
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if last >= storage.numbers:
        raise ModelError(
            f"a tensor of shape {tuple(shape)} reaches to number {last + 1} of a storage of {storage.numbers}"
        )
    used = 1
    for stride, n in sorted((stride, n) for n, stride in zip(shape, strides, strict=True) if n > 1):
        if stride < used:
            raise ModelError(f"a tensor of shape {tuple(shape)} and strides {tuple(strides)} overlaps itself: refused")
        used = stride * (n - 1) + used


def _flat(tree: Any) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    waiting = [("", tree)]
    for _ in range(MAX_NODES):
        if not waiting:
            return found
        name, value = waiting.pop()
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, dict):
            # The last in is the first out: turned round, the tensors keep the order in which they were written.
            waiting += [(f"{name}.{key}" if name else str(key), inner) for key, inner in reversed(value.items())]
    raise ModelError(f"its modules unfold to more than {MAX_NODES} parts; it is refused")
