"""Reads vocabulary and merges from files that may be damaged or hostile.

Of a `tokenizer.json` only these two are taken. Its other rules are compared with CLIP's and never run, so a strange
file can neither change how words are cut nor carry a pattern that takes for ever.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from core.errors import ModelError

WORD_END = "</w>"  # marks the last piece of a word, so that "cat" and "cat-" differ from "cat" in "catalogue"
MAX_FILE_BYTES = 64 * 1024 * 1024  # the published vocabulary is 2 MB as tokenizer.json

# Contractions, words, single digits, runs of anything else (openai/CLIP, simple_tokenizer.py).
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# The steps of CLIP's tokenizer.json files: ours, and those of transformers of several years.
_KNOWN_RULES = {
    *(WORDS, f"(?i:{WORDS})", rf"<\|startoftext\|>|<\|endoftext\|>|{WORDS}"),
    *("ByteLevel", "NFC", r"\s+", "Lowercase"),
}


def parse_vocabulary(text: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a tokenizer.json, refusing what would need other rules than ours."""
    try:
        data: Any = json.loads(text)
        model, added = data["model"], data.get("added_tokens") or []
        vocab, merges = dict(model["vocab"]), [pair(merge) for merge in model["merges"]]
        vocab |= {item["content"]: item["id"] for item in added}
        kind, suffix, prefix = model["type"], model.get("end_of_word_suffix"), model.get("continuing_subword_prefix")
        rules = _rules(data.get("normalizer")) + _rules(data["pre_tokenizer"])
        other = [name for name in ("dropout", "byte_fallback", "ignore_merges") if model.get(name)]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"is not a tokenizer.json with byte-pair merges ({type(error).__name__}: {error})") from None
    if kind != "BPE" or suffix != WORD_END or prefix or other:
        raise ModelError(f"is not a CLIP tokenizer (type {kind!r}, end_of_word_suffix {suffix!r}, {other or 'plain'})")
    if strange := [rule for rule in rules if rule not in _KNOWN_RULES]:
        raise ModelError(f"is not a CLIP tokenizer: it cuts or cleans text by another rule, {strange[0]!r:.80}")
    for token, number in vocab.items():
        if not isinstance(token, str) or type(number) is not int or not 0 <= number < 2**31:
            raise ModelError(f"holds the token {token!r} with the id {number!r}; ids are small whole numbers")
    return vocab, merges


def _rules(step: Any) -> list[str]:
    """The steps of a normalizer or pre-tokenizer; a step with a pattern goes by its pattern."""
    if step is None:
        return []
    if step["type"] == "Sequence":
        return [rule for part in step.get("normalizers") or step["pretokenizers"] for rule in _rules(part)]
    return [str(step["pattern"]["Regex"] if "pattern" in step else step["type"])]


def pair(merge: Any) -> tuple[str, str]:
    """One merge, written "left right" (older files) or as a list of two."""
    parts = merge.split() if isinstance(merge, str) else merge
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise ModelError(f"the merge {merge!r} is not a pair of tokens")
    return parts[0], parts[1]


def read_text(path: Path) -> str:
    """The text of a small file, unpacked when it is gzip; a file that unpacks to something huge is refused."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"the tokenizer cannot be read ({error})") from None


def read_bytes(path: Path) -> bytes:
    """All of a small file, unpacked when it is gzip. Raises `ModelError` for one that is large or cannot be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"the tokenizer cannot be read ({error})") from None
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"is larger than {MAX_FILE_BYTES} bytes, too large for a tokenizer")
    return bytes(data)
