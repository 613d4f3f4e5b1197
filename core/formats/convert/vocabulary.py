"""Finds the tokenizer of a model whose files hold none, or only a vocabulary."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.formats import hub
from core.formats.convert.converted import Source
from core.formats.convert.fields import peek, read_json
from core.model.config import TokenizerConfig
from core.schema import parse
from core.text.tokenizer import EOT, SOT, Clean, Tokenizer
from core.text.tokenizer_file import pair, parse_vocabulary, read_text

NONE = "none"
MERGES = "bpe_simple_vocab_16e6.txt.gz"
# What OpenAI and OpenCLIP call the tokens around a text; in OpenCLIP the literal strings of OpenAI are plain text.
OPENAI_SPECIALS = (SOT, EOT)
OPENCLIP_SPECIALS = ("<start_of_text>", "<end_of_text>")
WAYS = (
    "name a tokenizer.json or the published merges file (--tokenizer PATH), download the latter "
    f"(--tokenizer {hub.VOCABULARY}), install the package open_clip_torch, "
    "or use the model on token ids and images only (--tokenizer none)"
)


def find() -> Path:
    """The published list of merges of the CLIP vocabulary, wherever this machine has it.

    Raises `ModelError` that names the ways to get it.
    """
    for place in (_of_open_clip, _of_hub):
        if (path := place()) is not None:
            return path
    raise ModelError(f"the CLIP vocabulary is not on this machine; {WAYS}")


def openai_tokenizer(
    source: Source, context_length: int, vocab_size: int, specials: tuple[str, str]
) -> Tokenizer | None:
    """The tokenizer of a model of OpenAI or OpenCLIP; None when the caller wants none.

    The caller's, else `tokenizer.json` beside the weights, else the published vocabulary. Raises `ModelError` when
    there is none, or one that is not as large as the model's table of tokens.
    """
    if source.tokenizer == NONE:
        return None
    beside = source.folder / "tokenizer.json"
    path = Path(source.tokenizer) if source.tokenizer else beside if beside.is_file() else find()
    if _is_json(path):
        vocab, merges = _vocabulary(path)
        vocab = _renamed(vocab, specials, path)
        tokenizer = _build(vocab, merges, specials, context_length, "openai", path)
    else:
        tokenizer = Tokenizer.from_merges(path, context_length=context_length, specials=specials)
    if tokenizer.vocab_size != vocab_size:
        raise ModelError(
            f"{source.path}: the model knows {vocab_size} tokens, the vocabulary of {path} has {tokenizer.vocab_size}; "
            f"{WAYS}"
        )
    if tokenizer.config.eot_id != vocab_size - 1:
        raise ModelError(
            f"{source.path}: the model takes a text's feature at its highest token id, but the end-of-text id of "
            f"{path} is {tokenizer.config.eot_id} of {vocab_size}"
        )
    return tokenizer


def transformers_tokenizer(source: Source, context_length: int, vocab_size: int) -> Tokenizer | None:
    """The tokenizer of a transformers folder, from tokenizer.json or from vocab.json and merges.txt; or the caller's.

    None when the caller wants none. Raises `ModelError` when there is none or one too large for the model.
    """
    if source.tokenizer == NONE:
        return None
    folder = source.folder
    names = peek(folder / "special_tokens_map.json") | peek(folder / "tokenizer_config.json")
    specials = (_token(names, "bos_token", SOT), _token(names, "eos_token", EOT))
    pad = _token(names, "pad_token", specials[1])
    if source.tokenizer:
        path = Path(source.tokenizer)
        if not _is_json(path):
            return _sized(
                Tokenizer.from_merges(path, context_length=context_length, clean="transformers"), vocab_size, path
            )
        vocab, merges = _vocabulary(path)
    elif (path := folder / "tokenizer.json").is_file():
        vocab, merges = _vocabulary(path)
    elif (path := folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocab, merges = _split_vocabulary(path, folder / "merges.txt")
    elif vocab_size == 49408:
        return Tokenizer.from_merges(find(), context_length=context_length, clean="transformers")
    else:
        raise ModelError(f"{folder} holds neither tokenizer.json nor vocab.json and merges.txt; {WAYS}")
    return _sized(_build(vocab, merges, specials, context_length, "transformers", path, pad), vocab_size, path)


def _of_open_clip() -> Path | None:
    """In an installed open_clip_torch, which is looked up without importing it."""
    spec = importlib.util.find_spec("open_clip")
    places = spec.submodule_search_locations if spec else None
    return next((file for place in places or () if (file := Path(place) / MERGES).is_file()), None)


def _of_hub() -> Path | None:
    """In the hub's cache, if it was downloaded once; nobody is asked."""
    try:
        return hub.vocabulary(download=False)
    except ModelError:
        return None


def _is_json(path: Path) -> bool:
    if not path.is_file():
        raise ModelError(f"there is no tokenizer {path}; {WAYS}")
    return path.suffix == ".json"


def _vocabulary(path: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    try:
        return parse_vocabulary(read_text(path))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _split_vocabulary(vocab: Path, merges: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges from the two files of older releases; the first line of merges.txt is its version."""
    tokens = read_json(vocab)
    if not all(type(number) is int and 0 <= number < 2**31 for number in tokens.values()):
        raise ModelError(f"{vocab} holds token ids that are not small whole numbers")
    lines = [line for line in read_text(merges).split("\n") if line.strip() and not line.startswith("#version")]
    return tokens, [pair(line) for line in lines]


def _renamed(vocab: dict[str, int], specials: tuple[str, str], path: Path) -> dict[str, int]:
    """The vocabulary with its two framing tokens under the names that the model's origin has for them."""
    known = next((names for names in (OPENAI_SPECIALS, OPENCLIP_SPECIALS) if vocab.keys() >= set(names)), None)
    if known is None:
        raise ModelError(f"{path} has neither {' and '.join(OPENAI_SPECIALS)} nor {' and '.join(OPENCLIP_SPECIALS)}")
    names = dict(zip(known, specials, strict=True))
    return {names.get(token, token): number for token, number in vocab.items()}


def _build(
    vocab: dict[str, int],
    merges: list[tuple[str, str]],
    specials: tuple[str, str],
    context_length: int,
    clean: Clean,
    path: Path,
    pad: str | None = None,
) -> Tokenizer:
    missing = [token for token in (*specials, *([pad] if pad else [])) if token not in vocab]
    if missing:
        raise ModelError(f"{path} does not hold the token {missing[0]!r}")
    rules = {
        "clean": clean,
        "context_length": context_length,
        "sot_id": vocab[specials[0]],
        "eot_id": vocab[specials[1]],
        "pad_id": vocab[pad] if pad else 0,
    }
    try:
        return Tokenizer(vocab, merges, parse(TokenizerConfig, rules, str(path)))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _token(names: dict[str, Any], name: str, default: str) -> str:
    """A special token's text; files write it plainly or as an object with its content."""
    value = names.get(name)
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else default


def _sized(tokenizer: Tokenizer, vocab_size: int, path: Path) -> Tokenizer:
    if tokenizer.vocab_size > vocab_size:
        raise ModelError(
            f"the vocabulary of {path} has {tokenizer.vocab_size} tokens, the model knows only {vocab_size}; {WAYS}"
        )
    return tokenizer
