"""Which golden files of tests/core are cut from the reference data, and how?

`python -m tests.golden.make_core` rewrites them from shared/reference (its README says which program made what):

- preprocess/: the source images, and the SHA-256 of every origin's pixels for each of them (hashes.json);
- tokenizer/cases.json.gz: OpenAI's ids of 318 texts, unchanged;
- tokenizer/openai_pieces.json.gz: the part of OpenAI's vocabulary that these texts can touch, with its real ids.
"""

from __future__ import annotations

import gzip
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.text.tokenizer import Tokenizer
from core.text.tokenizer_file import WORD_END
from tests.shared import shared

GOLDEN = Path(__file__).parent


def main() -> None:
    _preprocess(shared("reference", "preprocess"), GOLDEN / "preprocess")
    _tokenizer(shared("reference", "tokenizer"), GOLDEN / "tokenizer")


def _preprocess(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for image in (source / "images").iterdir():
        shutil.copyfile(image, target / image.name)
    manifest = json.loads((source / "manifest.json").read_text())
    hashes = {
        image: {
            origin: {size: result["sha256"] for size, result in sizes.items() if "sha256" in result}
            for origin, sizes in entry["results"].items()
        }
        for image, entry in manifest["images"].items()
    }
    (target / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n")


def _tokenizer(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    text = (source / "cases.json").read_bytes()
    _write_gzip(target / "cases.json.gz", text)
    merges = source / "bpe_simple_vocab_16e6.txt.gz"
    whole = target / "whole.json"
    openai, transformers = Tokenizer.from_merges(merges), Tokenizer.from_merges(merges, clean="transformers")
    openai.save(whole)
    model = json.loads(whole.read_text())
    whole.unlink()
    ranks = {(left, right): rank for rank, (left, right) in enumerate(model["model"]["merges"])}
    touched: set[tuple[str, str]] = set()
    for case in json.loads(text)["cases"]:
        for tokenizer in (openai, transformers):
            for word, _ in tokenizer._library.pre_tokenizer.pre_tokenize_str(tokenizer.clean(case["text"])):
                touched |= _pairs_met(word, ranks)
    _write_gzip(target / "openai_pieces.json.gz", json.dumps(_cut(model, touched, ranks)).encode())


def _pairs_met(word: str, ranks: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """Every mergeable pair that stands side by side at some step of encoding a word; no other merge can matter."""
    symbols = [*word[:-1], word[-1] + WORD_END]
    met: set[tuple[str, str]] = set()
    while True:
        pairs = {pair for pair in pairwise(symbols) if pair in ranks}
        if not pairs:
            return met
        met |= pairs
        best = min(pairs, key=ranks.__getitem__)
        merged: list[str] = []
        while symbols:
            step = 2 if tuple(symbols[:2]) == best else 1
            merged.append("".join(symbols[:step]))
            symbols = symbols[step:]
        symbols = merged


def _cut(model: dict[str, Any], touched: set[tuple[str, str]], ranks: dict[tuple[str, str], int]) -> dict[str, Any]:
    vocab = model["model"]["vocab"]
    kept = {token for pair in touched for token in (*pair, "".join(pair))}
    model["model"]["merges"] = sorted(touched, key=ranks.__getitem__)
    model["model"]["vocab"] = {token: n for token, n in vocab.items() if n < 512 or token in kept or n >= 49406}
    return model


def _write_gzip(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    main()
