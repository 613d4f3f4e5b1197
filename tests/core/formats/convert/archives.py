"""TorchScript archives written by hand, honest and hostile ones."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def several(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def named(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def tensor(
    key: str,
    shape: tuple[int, ...],
    *,
    strides: tuple[int, ...] | None = None,
    numbers: int | None = None,
    offset: int = 0,
    kind: str = "FloatStorage",
) -> bytes:
    """A tensor over the entry data/`key`; contiguous and filling it unless told otherwise."""
    steps: list[int] = []
    size = 1
    for n in reversed(shape):
        steps.insert(0, size)
        size *= n
    storage = several(text("storage"), named("torch", kind), text(key), text("cuda:0"), number(numbers or size)) + b"Q"
    parts = [storage, number(offset), several(*map(number, shape)), several(*map(number, strides or tuple(steps)))]
    parts += [b"\x89", named("collections", "OrderedDict") + b")R"]
    return named("torch._utils", "_rebuild_tensor_v2") + several(*parts) + b"R"


def module(attributes: Mapping[str, bytes]) -> bytes:
    items = b"".join(text(name) + value for name, value in attributes.items())
    return named("__torch__.clip.model", "Module") + b")\x81}(" + text("training") + b"\x89" + items + b"ub"


def write(path: Path, body: bytes, data: Mapping[str, bytes], *, compressed: tuple[str, ...] = ()) -> Path:
    """A TorchScript archive of the description `body` and the storages `data`."""
    entries = {"data.pkl": b"\x80\x02" + body + b"."} | {f"data/{key}": value for key, value in data.items()}
    entries |= {"code/__torch__.py": b"raise SystemExit('this code must never run')\n" * 20}
    entries |= {"constants.pkl": b"\x80\x02).", "version": b"3\n"}
    with zipfile.ZipFile(path, "w") as file:
        for name, value in entries.items():
            deflated = name.startswith("code/") or name in compressed
            kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            file.writestr(f"archive/{name}", value, compress_type=kind)
    return path


def openai_archive(path: Path, weights: Mapping[str, Tensor], resolution: int) -> Path:
    """What OpenAI publishes: the module tree with its weights, sizes and traced code."""
    tree: dict[str, Any] = {}
    data: dict[str, bytes] = {}
    for name, value in weights.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        key = str(len(data))
        data[key] = value.contiguous().numpy().tobytes()
        place[last] = tensor(key, tuple(value.shape), kind=KINDS[str(value.dtype).removeprefix("torch.")])
    for name, size in (("input_resolution", resolution), ("context_length", 77), ("vocab_size", 512)):
        data[name] = struct.pack("<q", size)
        tree[name] = tensor(name, (), kind="LongStorage")

    def built(place: dict[str, Any]) -> bytes:
        return module({name: built(value) if isinstance(value, dict) else value for name, value in place.items()})

    return write(path, built(tree), data)
