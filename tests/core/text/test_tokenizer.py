"""Does a sentence become the ids that the originals give it, and is nothing ever lost?

The golden ids are openai/CLIP's, OpenCLIP's and transformers' own (shared/reference/tokenizer). The part of OpenAI's
vocabulary that they touch lies beside this repository's tests, so they are always checked.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError, ModelError
from core.model.config import TokenizerConfig
from core.text.tokenizer import Tokenizer, byte_symbols, byte_values, train_tokenizer
from tests.shared import ROOT, shared

GOLDEN = ROOT / "tests" / "golden" / "tokenizer"
CASES: list[dict[str, Any]] = json.loads(gzip.decompress((GOLDEN / "cases.json.gz").read_bytes()))["cases"]
OPENAI = TokenizerConfig(sot_id=49406, eot_id=49407)

TEXTS = [
    "a photo of a red car on a wet street at night",
    "a photo of a cat, and a dog's tail",
    "the cat's whiskers; the red car's wheels",
    "two cats and 12 dogs in a street",
    "ein Foto von einem Hündchen",
    "猫の写真",
]


@pytest.fixture(scope="module")
def openai() -> Tokenizer:
    return Tokenizer.from_file(GOLDEN / "openai_pieces.json.gz", OPENAI)


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return train_tokenizer(TEXTS, vocab_size=600, context_length=12)


def wrong(tokenizer: Tokenizer, origin: str | None = None) -> list[str]:
    """The texts of the golden cases to which a tokenizer does not give an origin's ids."""
    bad = []
    for case in CASES:
        expected = case.get("differs", {}).get(origin, case["ids"])
        if isinstance(expected, list) and tokenizer.ids(case["text"]) != expected:
            bad.append(case["text"])
    return bad


def test_every_golden_text_gets_openais_ids(openai: Tokenizer) -> None:
    assert len(CASES) == 318
    assert wrong(openai) == []


def test_every_golden_text_decodes_as_openai_decodes_it(openai: Tokenizer) -> None:
    assert [case["text"] for case in CASES if openai.decode(case["ids"]) != case["decoded"]] == []


def test_a_batch_gives_the_ids_of_its_texts_framed_and_padded(openai: Tokenizer) -> None:
    rows = openai.encode([case["text"] for case in CASES])
    assert rows.shape == (318, 77) and rows.dtype == np.int64
    for row, case in zip(rows, CASES, strict=True):
        framed = [49406, *case["ids"][:75], 49407]
        assert row.tolist() == framed + [0] * (77 - len(framed))
        assert case["truncates"] == (len(case["ids"]) > 75)


def test_without_ftfy_and_entities_the_ids_are_those_of_transformers() -> None:
    config = OPENAI.model_copy(update={"clean": "transformers"})
    assert wrong(Tokenizer.from_file(GOLDEN / "openai_pieces.json.gz", config), "hf5_fast") == []


def test_the_published_vocabulary_gives_the_ids_of_openai_and_open_clip() -> None:
    path = shared("reference", "tokenizer", "bpe_simple_vocab_16e6.txt.gz")
    tokenizer = Tokenizer.from_merges(path)
    assert (tokenizer.vocab_size, tokenizer.config) == (49408, OPENAI)
    assert wrong(tokenizer) == []
    assert wrong(Tokenizer.from_merges(path, specials=("<start_of_text>", "<end_of_text>")), "open_clip") == []


def test_the_published_vocabulary_survives_saving(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_merges(shared("reference", "tokenizer", "bpe_simple_vocab_16e6.txt.gz"))
    tokenizer.save(tmp_path / "tokenizer.json")
    assert wrong(Tokenizer.from_file(tmp_path / "tokenizer.json", OPENAI)) == []


def test_a_tokenizer_file_of_transformers_gives_its_ids() -> None:
    folder = shared("reference", "transformers-clip")
    config = TokenizerConfig(clean="transformers", sot_id=638, eot_id=639)
    tokenizer = Tokenizer.from_file(folder / "tokenizer.json", config)
    for case in json.loads((folder / "tokenizer_expected.json").read_text())["texts"]:
        assert [638, *tokenizer.ids(case["text"]), 639] == case["ids"]


def test_the_end_token_stays_when_a_text_is_cut(small: Tokenizer) -> None:
    row = small.encode(["red car " * 50])[0].tolist()
    assert (row[0], row[-1]) == (small.config.sot_id, small.config.eot_id)
    assert row[1:-1] == small.ids("red car " * 50)[:10]


def test_no_texts_give_no_rows(small: Tokenizer) -> None:
    assert small.encode([]).shape == (0, 12)


def test_one_text_instead_of_a_list_is_refused(small: Tokenizer) -> None:
    with pytest.raises(TypeError, match=r"encode\(\[text\]\)"):
        small.encode("a cat")


def test_a_trained_vocabulary_is_laid_out_as_openais(small: Tokenizer, tmp_path: Path) -> None:
    small.save(tmp_path / "tokenizer.json")
    vocab = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocab, key=vocab.__getitem__)
    assert tokens[:256] == byte_symbols()
    assert tokens[256:512] == [symbol + "</w>" for symbol in byte_symbols()]
    assert tokens[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert (small.config.sot_id, small.config.eot_id) == (len(tokens) - 2, len(tokens) - 1)
    assert len(tokens) == small.vocab_size <= 600


def test_training_learns_the_words_it_saw_often() -> None:
    tokenizer = train_tokenizer(["a red car"] * 9, vocab_size=600)
    assert [tokenizer.decode([number]) for number in tokenizer.ids("a red car")] == ["a ", "red ", "car "]


def test_the_most_frequent_pair_is_merged_first() -> None:
    tokenizer = train_tokenizer(["ab"] * 3 + ["cd"] * 5, vocab_size=515)
    assert [tokenizer.decode([512])] == ["cd "]  # one merge fits


def test_training_is_the_same_in_every_process_and_order(tmp_path: Path) -> None:
    # The library numbers unseen symbols in the order of a hash map that differs from process to process.
    program = (
        "import sys, json; from core.text.tokenizer import train_tokenizer\n"
        "train_tokenizer(json.loads(sys.argv[1]), 640).save(sys.argv[2])"
    )
    for name, texts in (("a", TEXTS), ("b", TEXTS[::-1])):
        arguments = [sys.executable, "-c", program, json.dumps(texts), str(tmp_path / name)]
        subprocess.run(arguments, check=True, cwd=ROOT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_byte_survives_at_the_end_of_a_word_it_was_never_seen_in(small: Tokenizer) -> None:
    for number in range(0x20, 0x2FFF):
        text = small.clean(f"x{chr(number)}")
        assert "".join(small.decode(small.ids(text)).split()) == "".join(text.split()), hex(number)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None)))
def test_decoding_the_ids_gives_the_cleaned_text_whatever_it_is(text: str) -> None:
    tokenizer = _SMALL
    ids = tokenizer.ids(text)
    assert all(0 <= number < tokenizer.vocab_size for number in ids)
    assert "".join(tokenizer.decode(ids).split()) == "".join(tokenizer.clean(text).split())


_SMALL = train_tokenizer(TEXTS, vocab_size=600, context_length=12)


@pytest.mark.parametrize("size", [0, 1, 513])
def test_a_vocabulary_without_room_for_the_bytes_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"vocab_size {size} is too small"):
        train_tokenizer(TEXTS, vocab_size=size)


def test_the_smallest_vocabulary_spells_in_bytes() -> None:
    tokenizer = train_tokenizer(TEXTS, vocab_size=514)
    assert tokenizer.vocab_size == 514
    assert tokenizer.ids("cat") == [
        byte_symbols().index("c"),
        byte_symbols().index("a"),
        256 + byte_symbols().index("t"),
    ]


def test_nothing_to_learn_from_still_gives_a_working_tokenizer() -> None:
    tokenizer = train_tokenizer([], vocab_size=1000)
    assert tokenizer.decode(tokenizer.ids("猫 cat")) == "猫 cat "


def test_a_saved_tokenizer_gives_the_same_ids_and_saves_the_same_bytes(small: Tokenizer, tmp_path: Path) -> None:
    small.save(tmp_path / "one.json")
    again = Tokenizer.from_file(tmp_path / "one.json", small.config)
    again.save(tmp_path / "two.json")
    assert [again.ids(case["text"]) for case in CASES] == [small.ids(case["text"]) for case in CASES]
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_the_256_symbols_stand_for_the_256_bytes() -> None:
    assert sorted(byte_values().values()) == list(range(256))
    assert byte_values()["a"] == ord("a") and byte_values()["Ġ"] == ord(" ")


def test_ids_of_another_vocabulary_are_an_error(small: Tokenizer) -> None:
    for number in (small.vocab_size, -1):
        with pytest.raises(ModelError, match=f"token id {number} is not in this vocabulary"):
            small.decode([number])


DAMAGE: dict[str, Any] = {
    "is not json": lambda data: "{",
    "is nested beyond reason": lambda data: "[" * 200_000,
    "is another thing": lambda data: '"tokenizer"',
    "has no model": lambda data: json.dumps({}),
    "has a list for a vocabulary": lambda data: _with(data, vocab=[1, 2]),
    "has an id that is text": lambda data: _with(data, vocab=data["model"]["vocab"] | {"a": "0"}),
    "has a negative id": lambda data: _with(data, vocab=data["model"]["vocab"] | {"a": -5}),
    "has an id beyond all memory": lambda data: _with(data, vocab=data["model"]["vocab"] | {"a": 2**60}),
    "has an id twice": lambda data: _with(data, vocab=data["model"]["vocab"] | {"a": 5}),
    "lacks a byte": lambda data: _with(data, vocab={k: v for k, v in data["model"]["vocab"].items() if k != "ÿ</w>"}),
    "has a token that is no bytes": lambda data: _with(data, vocab=data["model"]["vocab"] | {"猫": 599}),
    "has half a surrogate": lambda data: _with(data, vocab=data["model"]["vocab"] | {"\ud800": 599}),
    "has a merge of unknown tokens": lambda data: _with(data, merges=[["zz", "qq"]]),
    "has a merge of three": lambda data: _with(data, merges=[["a", "b", "c"]]),
    "is of another family": lambda data: _with(data, type="WordPiece"),
    "does not mark word ends": lambda data: _with(data, end_of_word_suffix=None),
    "drops merges at random": lambda data: _with(data, dropout=0.5),
    "has an added token without id": lambda data: json.dumps(data | {"added_tokens": [{"content": "x"}]}),
    "has an added token that is no text": lambda data: json.dumps(data | {"added_tokens": [{"content": 1, "id": 7}]}),
}


def _with(data: dict[str, Any], **changes: Any) -> str:
    return json.dumps(data | {"model": data["model"] | changes})


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_is_refused_that(damage: str, small: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    small.save(path)
    path.write_text(DAMAGE[damage](json.loads(path.read_text())))
    with pytest.raises(ModelError, match=r"tokenizer\.json: "):
        Tokenizer.from_file(path, small.config)


def test_a_file_with_other_rules_is_refused_and_its_pattern_never_run(small: Tokenizer, tmp_path: Path) -> None:
    # Matching a pattern like this one takes twice as long with every letter.
    path = tmp_path / "tokenizer.json"
    small.save(path)
    data = json.loads(path.read_text())
    data["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": True}
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match="by another rule"):
        Tokenizer.from_file(path, small.config)


@pytest.mark.parametrize("field", ["sot_id", "eot_id", "pad_id"])
def test_a_framing_token_outside_the_vocabulary_is_refused(field: str, small: Tokenizer, tmp_path: Path) -> None:
    small.save(tmp_path / "tokenizer.json")
    with pytest.raises(ModelError, match=f"{field} 9999 is not in the vocabulary"):
        Tokenizer.from_file(tmp_path / "tokenizer.json", small.config.model_copy(update={field: 9999}))


@pytest.mark.parametrize("name", ["missing.json", "missing.txt.gz", "folder", "plain.txt.gz", "cut.txt.gz", "few.txt"])
def test_a_file_of_merges_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain.txt.gz").write_text("not gzip")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"#version\n" + b"a b\n" * 9000)[:-20])
    (tmp_path / "few.txt").write_text("#version\na b\n")
    with pytest.raises(ModelError, match=name):
        Tokenizer.from_merges(tmp_path / name)


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"\0" * (65 << 20)))
    with pytest.raises(ModelError, match="too large for a tokenizer"):
        Tokenizer.from_merges(tmp_path / "bomb.txt.gz")
