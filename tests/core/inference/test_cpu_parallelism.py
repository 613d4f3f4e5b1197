"""Does a batch that is spread over the cores give what it gives in one piece?"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from core.formats.model_dir import read_config
from core.inference.cpu_parallelism import LEAST, MOST, Lanes
from core.inference.load import MODELS, load_encoder


@pytest.fixture
def two_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.usefixtures("two_cores")
def test_parts_are_computed_by_one_core_each_and_come_back_in_order() -> None:
    rows = np.arange(5 * MOST + 3)
    seen: list[int] = []

    def encode(part: np.ndarray) -> np.ndarray:
        seen.append(torch.get_num_threads())
        return part * 2

    parts = Lanes().run(encode, rows)
    assert parts is not None and len(parts) == len(seen) == 6
    assert set(seen) == {1}
    assert np.array_equal(np.concatenate(parts), rows * 2)
    assert torch.get_num_threads() == threads_of_a_new_thread() == 2  # as before


@pytest.mark.usefixtures("two_cores")
def test_a_few_rows_are_left_to_all_cores_together() -> None:
    lanes = Lanes()
    assert lanes.run(lambda part: part, np.zeros(2 * LEAST - 1)) is None
    assert [len(part) for part in lanes.run(lambda part: part, np.zeros(2 * LEAST)) or []] == [LEAST, LEAST]


@pytest.mark.usefixtures("two_cores")
def test_what_goes_wrong_in_one_part_is_told() -> None:
    def encode(part: np.ndarray) -> np.ndarray:
        raise ValueError(f"{len(part)} rows")

    with pytest.raises(ValueError, match="8 rows"):
        Lanes().run(encode, np.zeros(16))


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_vector_is_the_same_whichever_way_it_was_computed(precision: str) -> None:
    encoder = load_encoder("tiny", device="cpu", precision=precision)
    side = read_config(MODELS / "tiny").preprocess.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (20, side, side, 3), dtype=np.uint8)
    together = encoder.encode_prepared(pixels)
    one_by_one = np.concatenate([encoder.encode_prepared(pixels[i : i + 1]) for i in range(len(pixels))])
    assert (together * one_by_one).sum(axis=1).min() > 1 - 1e-4
    assert np.array_equal(together, encoder.encode_prepared(pixels))
