"""Reads the tensors of a `.pt` or `.bin` file without trusting it.

Three containers share these endings. Since PyTorch 1.6 `torch.save` writes a zip with `data.pkl` and one entry per
storage, before it wrote one stream; both go through `torch.load(weights_only=True)`, which builds tensors and plain
containers and nothing else. A TorchScript archive is such a zip with code beside it, and only an own reader
(`core/formats/torchscript.py`) takes its tensors without compiling the code. What a zip declares is checked before any
of it.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import ModelError

Container = Literal["torchscript", "zip", "stream", "safetensors", "unknown"]

MAX_ENTRIES = 200_000
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 4.3.7; the last two are the lengths of name and extra field
STREAM_START = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # torch.save before 1.6: its magic number, pickled


@dataclass(frozen=True)
class Entry:
    """Where the bytes of one entry lie in the file."""

    start: int
    size: int


def container(path: Path) -> Container:
    """What kind of file this is, by its first bytes and, of a zip, its names."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})") from None
    if start[:4] == b"PK\x03\x04":
        names = {name.partition("/")[2] for name in _directory(path)}
        if "data.pkl" not in names:
            raise ModelError(f"{path} is a zip, but holds no data.pkl; PyTorch did not write it")
        return "torchscript" if "constants.pkl" in names else "zip"
    if start[:15] == STREAM_START:
        return "stream"
    size = int.from_bytes(start[:8], "little")
    return "safetensors" if start[8:9] == b"{" and size < 2**31 else "unknown"


def load_archive(path: Path) -> Any:
    """What `torch.save` wrote: tensors in plain containers, on the CPU, mapped from the file where it is a zip.

    Raises `ModelError` for a damaged file, and for one that holds anything but tensors and plain values; nothing of
    it has been run then.
    """
    kind = container(path)
    if kind not in ("zip", "stream"):
        raise ModelError(f"{path} is not a file of torch.save")
    if kind == "zip":
        stored_entries(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=kind == "zip")
    except (
        Exception
    ) as error:  # bytes of unknown origin can raise anything, unpickling errors of several kinds included
        raise ModelError(f"{path} {_reason(str(error))}") from None


def stored_entries(path: Path, *, unread: str = "") -> dict[str, Entry]:
    """The entries of a PyTorch zip by their names without the leading folder.

    PyTorch stores bytes as they are, so a compressed entry is not PyTorch's and may unpack to anything: refused, as are
    entries that overlap or reach beyond the file. Names that match the pattern `unread` may be compressed, and are
    left out.
    """
    found: dict[str, Entry] = {}
    for name, info in _directory(path).items():
        inner = name.partition("/")[2]
        if unread and re.match(unread, inner):
            continue
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
            raise ModelError(
                f"{path}: the entry {name!r} is compressed ({info.compress_size} bytes for {info.file_size}); "
                "PyTorch never compresses tensors, so this may be a zip bomb and is refused"
            )
        found[inner] = Entry(_start(path, info), info.file_size)
    _check_layout(path, found)
    return found


def checked_tensor(name: str, tensor: Any, path: Path) -> Tensor:
    """`tensor` if it is a plain one whose numbers all lie in the file; `ModelError` otherwise.

    Strides of 0 would let four bytes stand for a tensor of any size.
    """
    if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided or tensor.is_quantized:
        raise ModelError(f"{path}: {name} is not a plain tensor")
    if tensor.device.type == "meta" or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ModelError(
            f"{path}: {name} of shape {tuple(tensor.shape)} declares more numbers than the file holds for it"
        )
    return tensor.detach()


def tensors_of(values: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """A state dict whose every value is a plain tensor. Raises `ModelError` otherwise."""
    if not all(isinstance(name, str) for name in values):
        raise ModelError(f"{path}: the names of its tensors are not text; this is not a state dict")
    return {name: checked_tensor(name, tensor, path) for name, tensor in values.items()}


def _directory(path: Path) -> dict[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise ModelError(f"{path} is damaged or cut short ({error}); copy or download it again") from None
    if len(infos) > MAX_ENTRIES:
        raise ModelError(f"{path} holds {len(infos)} entries; more than {MAX_ENTRIES} are refused")
    by_name = {info.filename: info for info in infos}
    if len(by_name) != len(infos):
        raise ModelError(f"{path} holds two entries of one name; it is refused")
    if len({name.partition("/")[0] for name in by_name}) > 1:
        raise ModelError(f"{path} is a zip, but not of PyTorch, which puts all entries into one folder")
    return by_name


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise ModelError(f"{path}: the entry {info.filename!r} is not where the directory says; the file is damaged")
    *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
    return info.header_offset + LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _check_layout(path: Path, entries: Mapping[str, Entry]) -> None:
    end, size = 0, path.stat().st_size
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].size)):
        if entry.start + entry.size > size:
            raise ModelError(f"{path}: the entry {name!r} declares {entry.size} bytes, more than the file has")
        if entry.start < end:
            raise ModelError(f"{path}: the entry {name!r} overlaps another one; this may be a zip bomb and is refused")
        end = entry.start + entry.size


def _reason(message: str) -> str:
    """What is wrong, in our words where torch's message is known."""
    name = re.search(r"(?:GLOBAL|Unsupported (?:global|class|operand))[:\s]+(?:GLOBAL\s+)?([\w.]+)", message)
    if name and "." in name[1]:
        return (
            f"holds {name[1].rstrip('.')}, which is neither a tensor nor a plain value; nothing was run. "
            "Save the model's state_dict() instead"
        )
    return f"is damaged or not a file of tensors ({' '.join(message.split())[:160]})"
