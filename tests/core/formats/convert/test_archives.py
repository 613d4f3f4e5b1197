"""Is a hostile or damaged archive refused by name, before anything of it runs or is allocated?"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import ModelError
from core.formats.convert import convert
from core.formats.torch_archive import load_archive, stored_entries, tensors_of
from core.formats.torchscript import load_torchscript
from tests.core.formats.convert.archives import module, named, number, several, tensor, text, write
from tests.core.formats.convert.sources import openai_weights

NUMBERS = struct.pack("<6f", 0, 1, 2, 3, 4, 5)


class Hostile:
    """Runs a command wherever it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.victim}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_pickle_is_refused_by_name_and_never_run(tmp_path: Path, zipped: bool) -> None:
    torch.save({"w": Hostile(tmp_path / "ran")}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"m\.pt holds posix\.system, which is neither a tensor nor a plain value"):
        convert(tmp_path / "m.pt", tokenizer="none")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["posix system", "builtins eval", "torch._utils _rebuild_sparse_tensor", "os system"])
def test_a_hostile_torchscript_archive_is_refused_by_name_and_never_run(tmp_path: Path, name: str) -> None:
    body = named(*name.split()) + several(text(f"touch {tmp_path / 'ran'}")) + b"R"
    path = write(tmp_path / "m.pt", module({"w": body}), {})
    with pytest.raises(ModelError, match=f"it holds {name.replace(' ', '.')}, which is neither a tensor"):
        convert(path, tokenizer="none")
    assert not (tmp_path / "ran").exists()


def test_the_tensors_of_a_torchscript_archive_are_those_of_its_entries(tmp_path: Path) -> None:
    inner = module({"transposed": tensor("0", (2, 3), strides=(1, 2)), "tail": tensor("0", (2,), numbers=6, offset=4)})
    path = write(
        tmp_path / "m.pt", module({"w": tensor("0", (3, 2)), "inner": inner, "depth": number(3)}), {"0": NUMBERS}
    )
    found = load_torchscript(path)
    assert list(found) == ["w", "inner.transposed", "inner.tail"]
    assert found["w"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found["inner.transposed"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert found["inner.tail"].tolist() == [4, 5]
    found["w"][0, 0] = 9  # a private copy, not the file
    assert load_torchscript(path)["w"][0, 0] == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (tensor("0", (1000, 1000)), "the storage '0' declares 1000000 numbers, but its entry has 24 bytes"),
        (tensor("0", (7,), numbers=6), r"shape \(7,\) reaches to number 7 of a storage of 6"),
        (tensor("0", (2,), numbers=6, offset=5), "reaches to number 7 of a storage of 6"),
        (tensor("0", (10**9, 10**9), strides=(0, 0), numbers=6), "overlaps itself"),
        (tensor("0", (3, 3), strides=(1, 1), numbers=6), "overlaps itself"),
        (tensor("0", (2, 2), strides=(-1, 2), numbers=6), r"strides \(-1, 2\) and offset 0: refused"),
        (tensor("0", (-2,), numbers=6), r"shape \(-2,\).*refused"),
        (tensor("0", (6,), offset=-1), "offset -1: refused"),
        (tensor("9", (6,)), "a storage is missing or of an unknown number format"),
        (tensor("0", (6,), kind="QInt8Storage"), r"it holds torch\.QInt8Storage"),
        (text("0") + b"Q", "refers to something outside itself that is no storage"),
        (b"R", "its description is damaged"),
        (b"\x8c\x01x\x8c\x01y\x93", "uses STACK_GLOBAL, which no file of tensors needs"),
        (b"}" + several() + b"\x88s", "a key that is neither text nor a number"),
    ],
)
def test_a_description_that_does_not_add_up_is_refused(tmp_path: Path, body: bytes, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        load_torchscript(write(tmp_path / "m.pt", module({"w": body}), {"0": NUMBERS}))


def test_modules_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    body = b"}q\x00"
    for level in range(60):  # each dict holds the one before twice
        body = b"}(" + text("a") + body + text("b") + b"h" + bytes([level]) + b"uq" + bytes([level + 1])
    with pytest.raises(ModelError, match="unfold to more than 1000000 parts"):
        load_torchscript(write(tmp_path / "m.pt", body, {}))


@pytest.mark.parametrize("constants", [True, False])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, constants: bool) -> None:
    path = tmp_path / "m.pt"
    if constants:
        write(path, module({"w": tensor("0", (2**24,))}), {"0": bytes(2**26)}, compressed=("data/0",))
    else:
        torch.save({"w": torch.zeros(2**24)}, tmp_path / "plain.pt")
        with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(path, "w") as bomb:
            for name in plain.namelist():
                bomb.writestr(name, plain.read(name), compress_type=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    with pytest.raises(ModelError, match=r"is compressed \(.* bytes for .*\).*zip bomb and is refused"):
        convert(path, tokenizer="none")


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as file:
        for name in ("m/data.pkl", "m/data/0", "m/data/1"):
            file.writestr(name, bytes(100))
        file.infolist()[2].header_offset = file.infolist()[1].header_offset
    with pytest.raises(ModelError, match="overlaps another one"):
        stored_entries(tmp_path / "m.pt")


def test_a_tensor_that_declares_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1).expand(2**40)}, tmp_path / "expanded.pt")
    with pytest.raises(ModelError, match=r"w of shape \(1099511627776,\) declares more numbers than the file holds"):
        tensors_of(load_archive(tmp_path / "expanded.pt"), tmp_path / "expanded.pt")
    torch.save({"w": torch.zeros(77)}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as good, zipfile.ZipFile(tmp_path / "larger.pt", "w") as file:
        for name in good.namelist():
            file.writestr(name, good.read(name).replace(b"KM", b"M\xff\xff"))  # 77 numbers become 65,535
    with pytest.raises(ModelError, match=r"larger\.pt is damaged or not a file of tensors"):
        load_archive(tmp_path / "larger.pt")


@pytest.mark.parametrize("kind", ["zip", "stream", "torchscript"])
@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_an_archive_cut_short_is_refused_with_its_name(tmp_path: Path, kind: str, keep: float) -> None:
    path = tmp_path / "m.pt"
    if kind == "torchscript":
        write(path, module({"w": tensor("0", (6,))}), {"0": NUMBERS})
    else:
        torch.save({"w": torch.arange(1000.0)}, path, _use_new_zipfile_serialization=kind == "zip")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ModelError, match=r"m\.pt is (damaged|no )"):
        convert(path, tokenizer="none")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04 nothing else"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.pt is "):
        convert(tmp_path / "m.pt", tokenizer="none")


def test_a_pickled_model_is_refused_with_the_advice_to_save_its_state(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pt")
    with pytest.raises(ModelError, match=r"holds torch\.nn\..*Linear.*Save the model's state_dict\(\) instead"):
        convert(tmp_path / "m.pt", tokenizer="none")


def _drop(weights: dict[str, Any]) -> None:
    del weights["visual.transformer.resblocks.1.ln_2.bias"]


def _add(weights: dict[str, Any]) -> None:
    weights["visual.extra"] = torch.zeros(2)


def _narrow(weights: dict[str, Any]) -> None:
    weights["ln_final.bias"] = torch.zeros(63)


def _nan(weights: dict[str, Any]) -> None:
    weights["visual.ln_post.bias"][5] = torch.nan


def _whole_numbers(weights: dict[str, Any]) -> None:
    weights["ln_final.bias"] = torch.zeros(64, dtype=torch.int64)


def _siglip(weights: dict[str, Any]) -> None:
    weights["logit_bias"] = torch.tensor(-10.0)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_drop, r"1 tensors missing: visual\.transformer\.resblocks\.1\.ln_2\.bias"),
        (_add, r"1 tensors unexpected: visual\.extra"),
        (_narrow, r"ln_final\.bias is \(63,\), not \(64,\)"),
        (_nan, r"1 tensors hold NaN or infinite numbers: visual\.ln_post\.bias"),
        (_whole_numbers, r"ln_final\.bias is int64, not a 16 or 32 bit float"),
        (_siglip, r"has a logit_bias: it is a SigLIP model.*open_clip_torch"),
    ],
)
def test_every_tensor_is_accounted_for(tmp_path: Path, damage: Callable[[dict[str, Any]], None], problem: str) -> None:
    weights = {name: tensor.float() for name, tensor in openai_weights("openai-vit").items()}
    damage(weights)
    torch.save(weights, tmp_path / "m.pt")
    with pytest.raises(ModelError, match=problem):
        convert(tmp_path / "m.pt", tokenizer="none")
