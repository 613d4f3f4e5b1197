"""Normalizes text before tokenization.

Each origin has its own way, and a model understands only the one it was trained with. Both lower the case.
"""

from __future__ import annotations

import functools
import html
import re

from tokenizers import Regex, normalizers

# Text in which ftfy and html.unescape find nothing: printable ASCII without "&", which begins an entity. (Of ASCII they
# change entities, control characters and the escapes of terminals, and nothing else.)
_WHOLE = re.compile(r"[ -%'-~]*")


def clean_openai(text: str) -> str:
    """Repair broken encodings and entities, single spaces, lower case (openai/CLIP, simple_tokenizer.py)."""
    if not _WHOLE.fullmatch(text):
        text = _repaired(text)
    return re.sub(r"\s+", " ", text).strip().lower()


def _repaired(text: str) -> str:
    import ftfy  # takes longer to import than a short query takes to encode

    text = html.unescape(html.unescape(ftfy.fix_text(_without_surrogates(text)))).strip()
    return _without_surrogates(text)  # an entity can bring one back, even after ftfy


def clean_transformers(text: str) -> str:
    """Compose accents (NFC), single spaces, lower case: the fast tokenizer of transformers, by the same library."""
    return _transformers_normalizer().normalize_str(_without_surrogates(text))


@functools.cache
def _transformers_normalizer() -> normalizers.Sequence:
    return normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])


def _without_surrogates(text: str) -> str:
    """Half a UTF-16 pair is not a character and cannot be encoded; pairs are joined, halves become U+FFFD (as ftfy)."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
