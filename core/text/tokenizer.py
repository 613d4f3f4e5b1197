"""Byte-pair encoding: text to token ids, and training a vocabulary.

Clean the text, cut it into words, spell each word in bytes, merge the bytes into known pieces (byte-pair encoding,
Sennrich et al. 2016; byte level and vocabulary layout as in openai/CLIP, simple_tokenizer.py), frame and pad. The
`tokenizers` library does the heavy part. Files give vocabulary and merges (`core/text/tokenizer_file.py`), never rules.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Regex, models, pre_tokenizers, trainers

from core.errors import ConfigError, ModelError
from core.model.config import TokenizerConfig
from core.schema import parse
from core.text.text_normalization import clean_openai, clean_transformers
from core.text.tokenizer_file import WORD_END, WORDS, pair, parse_vocabulary, read_text

Clean = Literal["openai", "transformers"]
SOT, EOT = "<|startoftext|>", "<|endoftext|>"
LONGEST_WORD = 40  # characters of a word that is shown to people
OPENAI_MERGES = 49152 - 256 - 2  # what openai/CLIP reads of the published file; the rest of the file is unused


def byte_symbols() -> list[str]:
    """The 256 printable characters that stand for bytes, in the order of their ids; `byte_values` inverts it."""
    return list(byte_values())


def byte_values() -> dict[str, int]:
    """Symbol -> byte. Visible Latin-1 characters stand for themselves, the rest are shifted behind U+0100 (GPT-2)."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


class Tokenizer:
    """Sentences to token ids and back. Build one with `from_file`, `from_merges` or `train_tokenizer`."""

    def __init__(self, vocab: dict[str, int], merges: Sequence[tuple[str, str]], config: TokenizerConfig) -> None:
        """Raises ModelError when the vocabulary would lose text or does not fit the merges or the config."""
        self.config = config
        self._bytes = byte_values()
        self._tokens = _check_vocabulary(vocab, config)
        self.vocab_size = max(self._tokens) + 1
        self._specials = {self._tokens[config.sot_id]: config.sot_id, self._tokens[config.eot_id]: config.eot_id}
        # OpenAI matches with IGNORECASE on lowered text ("'ſ" counts as "'s"); transformers does not.
        pattern = f"(?i:{WORDS})" if config.clean == "openai" else WORDS
        words = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
        try:
            model = models.BPE(vocab=vocab, merges=list(merges), end_of_word_suffix=WORD_END)
        except Exception as error:  # the library knows no narrower class
            raise ModelError(f"the merges do not fit the vocabulary ({error}); take another tokenizer.json") from None
        self._library = tokenizers.Tokenizer(model)
        self._library.pre_tokenizer = pre_tokenizers.Sequence(
            [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        special = "|".join(re.escape(token) for token in self._specials)
        self._special_text = re.compile(f"({special})")
        self._words_or_special = pre_tokenizers.Split(Regex(f"{special}|{pattern}"), behavior="removed", invert=True)
        self._clean = clean_openai if config.clean == "openai" else clean_transformers

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids (n, context_length): start, words, end, padding. A long text is cut before the end token."""
        if isinstance(texts, str):
            raise TypeError("encode takes a sequence of texts, not one text: encode([text])")
        config = self.config
        rows = np.full((len(texts), config.context_length), config.pad_id, dtype=np.int64)
        for row, ids in zip(rows, self._ids(texts), strict=True):
            framed = [config.sot_id, *ids[: max(config.context_length - 2, 0)], config.eot_id][-config.context_length :]
            row[: len(framed)] = framed
        return rows

    def ids(self, text: str) -> list[int]:
        """The token ids of one text, without start and end."""
        return self._ids([text])[0]

    def first_cut(self, text: str) -> str | None:
        """The first word of a text that does not fit `encode` whole, or None if all of it fits.

        As it was written, if cleaning leaves the words as many as they were. Of a word longer than 40 characters (or a
        text in a script without spaces) what is left of it is returned, shortened.
        """
        room = max(self.config.context_length - 2, 0)
        if len(self.ids(text)) <= room:
            return None
        words = self.clean(text).split()
        fitting = bisect_right(range(1, len(words) + 1), room, key=lambda count: len(self.ids(" ".join(words[:count]))))
        given = text.split()
        cut = (given if len(given) == len(words) else words)[fitting]
        if len(cut) <= LONGEST_WORD:
            return cut
        kept = room - len(self.ids(" ".join(words[:fitting])))
        seen = self.decode(self.ids(words[fitting])[:kept]).rstrip(" \ufffd")
        rest = words[fitting].removeprefix(seen)
        return rest if len(rest) <= LONGEST_WORD else rest[: LONGEST_WORD - 1] + "…"

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids, a space after each word. Bytes that are not UTF-8 become U+FFFD."""
        special = set(self._specials.values())
        out = bytearray()
        for number in map(int, ids):
            if number not in self._tokens:
                raise ModelError(f"token id {number} is not in this vocabulary of {self.vocab_size} tokens")
            token = self._tokens[number]
            if number in special:
                out += token.encode()
                continue
            out += bytes(self._bytes[symbol] for symbol in token.removesuffix(WORD_END))
            out += b" " if token.endswith(WORD_END) else b""
        return out.decode("utf-8", errors="replace")

    def clean(self, text: str) -> str:
        """The text as it is encoded: repaired, single spaces, lower case."""
        return self._clean(text)

    def to_json(self) -> str:
        """The text of `tokenizer.json` (the format of the tokenizers library); the same vocabulary gives the same."""
        library = tokenizers.Tokenizer.from_str(self._library.to_str())
        library.add_special_tokens(list(self._specials))
        text: str = library.to_str(pretty=True)
        return text + "\n"

    def save(self, path: str | Path) -> None:
        """Write `tokenizer.json`."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def from_file(cls, path: str | Path, config: TokenizerConfig) -> Tokenizer:
        """Read a `tokenizer.json`; ModelError when it is missing, damaged or not a CLIP byte-pair vocabulary."""
        path = Path(path)
        try:
            vocab, merges = parse_vocabulary(read_text(path))
            return cls(vocab, merges, config)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None

    @classmethod
    def from_merges(
        cls,
        path: str | Path,
        *,
        context_length: int = 77,
        clean: Clean = "openai",
        specials: tuple[str, str] = (SOT, EOT),
    ) -> Tokenizer:
        """OpenAI's vocabulary of 49,408 tokens from its published list of merges (.txt or .txt.gz).

        OpenCLIP uses the same one with `specials=("<start_of_text>", "<end_of_text>")`.
        """
        path = Path(path)
        try:
            lines = read_text(path).split("\n")[1 : OPENAI_MERGES + 1]
            merges = [pair(line) for line in lines]
            if len(merges) != OPENAI_MERGES:
                raise ModelError(f"holds {len(merges)} merges, not {OPENAI_MERGES}; take bpe_simple_vocab_16e6.txt.gz")
            return _build(merges, context_length, clean, specials)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        cleaned = [self.clean(text) for text in texts]
        encodings = self._library.encode_batch_fast(cleaned, add_special_tokens=False)
        # OpenAI finds the special strings in the cleaned text, transformers in the text as given.
        searched = cleaned if self.config.clean == "openai" else texts
        return [
            self._ids_with_special(text) if self._special_text.search(text) else encoding.ids
            for text, encoding in zip(searched, encodings, strict=True)
        ]

    def _ids_with_special(self, text: str) -> list[int]:
        """The slow way, for the rare text that holds a special string, which becomes its id.

        OpenAI's pattern matches from the left, so "!!<|endoftext|>" is punctuation; transformers cuts them out first.
        """
        if self.config.clean == "openai":
            pieces = _between(text, self._words_or_special, self._specials)
        else:
            cut = self._special_text.split(text)
            pieces = (piece if piece in self._specials else self.clean(piece) for piece in cut)
        ids: list[int] = []
        for piece in pieces:
            if piece in self._specials:
                ids.append(self._specials[piece])
            else:
                ids += self._library.encode(piece, add_special_tokens=False).ids
        return ids


def train_tokenizer(texts: Iterable[str], vocab_size: int = 49152, context_length: int = 77) -> Tokenizer:
    """Learn a byte-level BPE vocabulary; the same texts in any order give the same one.

    Ids: 256 bytes, the same 256 as word ends, the merges, start, end. Every byte is there in both forms whether
    seen or not, so no text is ever lost (OpenAI's layout; trainers of the library keep only the word ends they saw).
    Fewer merges than asked for are learned when no pair occurs twice any more. Raises ConfigError below 514.
    """
    smallest = 2 * 256 + 2
    if vocab_size < smallest:
        raise ConfigError(
            f"vocab_size {vocab_size} is too small: 512 byte symbols and 2 special tokens need {smallest}"
        )
    if isinstance(texts, str):
        raise TypeError("train_tokenizer takes many texts, not one")
    symbols = byte_symbols()
    word_ends = [symbol + WORD_END for symbol in symbols]
    library = tokenizers.Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"(?i:{WORDS})"), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    # Given as special tokens the word ends get fixed ids. Otherwise the library numbers them in the random order of
    # a hash map, and ids break ties between equally frequent pairs: two runs would learn different vocabularies.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        min_frequency=2,
        special_tokens=word_ends,
        initial_alphabet=symbols,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    library.train_from_iterator((clean_openai(text) for text in texts), trainer)
    merges = [(left, right) for left, right in json.loads(library.to_str())["model"]["merges"]]
    return _build(merges, context_length, "openai", (SOT, EOT))


def _between(text: str, pattern: pre_tokenizers.Split, specials: dict[str, int]) -> Iterator[str]:
    """The text cut at every whole match of a special string."""
    done = 0
    for match, (start, end) in pattern.pre_tokenize_str(text):
        if match in specials:
            yield text[done:start]
            yield match
            done = end
    yield text[done:]


def _build(merges: list[tuple[str, str]], context_length: int, clean: Clean, specials: tuple[str, str]) -> Tokenizer:
    """Number the tokens as OpenAI does."""
    symbols = byte_symbols()
    tokens = [
        *symbols,
        *(symbol + WORD_END for symbol in symbols),
        *(left + right for left, right in merges),
        *specials,
    ]
    fields = {"clean": clean, "context_length": context_length, "sot_id": len(tokens) - 2, "eot_id": len(tokens) - 1}
    config = parse(TokenizerConfig, fields, "tokenizer")
    return Tokenizer({token: number for number, token in enumerate(tokens)}, merges, config)


def _check_vocabulary(vocab: dict[str, int], config: TokenizerConfig) -> dict[int, str]:
    """Id -> token, once it is certain that every byte and every framing token is there."""
    tokens = {number: token for token, number in vocab.items()}
    if len(tokens) != len(vocab):
        raise ModelError(f"{len(vocab) - len(tokens)} tokens share an id with another one; the tokenizer is damaged")
    symbols = byte_values()
    missing = [token for symbol in symbols for token in (symbol, symbol + WORD_END) if token not in vocab]
    if missing:
        raise ModelError(f"{len(missing)} of 512 byte symbols are missing ({missing[0]!r} first): text would be lost")
    for name in ("sot_id", "eot_id", "pad_id"):
        if getattr(config, name) not in tokens:
            raise ModelError(f"{name} {getattr(config, name)} is not in the vocabulary of {len(vocab)} tokens")
    for number, token in tokens.items():
        if number not in (config.sot_id, config.eot_id) and not symbols.keys() >= set(token.removesuffix(WORD_END)):
            raise ModelError(f"token {token!r} is not written in byte symbols; this is not a byte-level vocabulary")
    return tokens
