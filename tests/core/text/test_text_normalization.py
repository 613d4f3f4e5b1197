"""Is a text that is not given to ftfy cleaned as if it were?"""

from __future__ import annotations

import html
import re
import string
import subprocess
import sys

import ftfy
from hypothesis import given
from hypothesis import strategies as st

from core.text.text_normalization import clean_openai
from tests.shared import ROOT

PRINTABLE = "".join(map(chr, range(32, 127)))


def as_openai(text: str) -> str:
    """openai/CLIP, simple_tokenizer.py: `whitespace_clean(basic_clean(text)).lower()`."""
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return re.sub(r"\s+", " ", text).strip().lower()


def test_every_ascii_character_alone_and_between_letters_is_cleaned_as_openai_does() -> None:
    for code in range(128):
        for text in (chr(code), f"a{chr(code)}B", f" <{chr(code)}> ", f"{chr(code)}[31mred"):
            assert clean_openai(text) == as_openai(text), repr(text)


@given(st.text(PRINTABLE))
def test_printable_text(text: str) -> None:
    assert clean_openai(text) == as_openai(text)


@given(st.text(string.printable + "\x00\x1b\x7f\x9c&;#ltgamp’“éÃ©ﬁＡ\u2028"))
def test_text_with_entities_controls_and_broken_encodings(text: str) -> None:
    assert clean_openai(text) == as_openai(text)


def test_ftfy_is_imported_for_text_that_it_may_change_and_for_no_other() -> None:
    code = (
        "import sys; from core.text.text_normalization import clean_openai; clean_openai('A red Boat, 50% [new] <b>');"
        "print('ftfy' in sys.modules); clean_openai('rock &amp; roll'); print('ftfy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
