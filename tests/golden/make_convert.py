"""Which small checkpoints of other projects is conversion tested with, and where do they come from?

`python -m tests.golden.make_convert` copies them from shared/reference, whose README says which program made what.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.shared import shared

CONVERT = Path(__file__).parent / "convert"
COPIED = {
    "openclip-vit": ["open_clip_config.json", "open_clip_model.safetensors", "expected.npz"],
    "transformers-clip": [
        *("config.json", "model.safetensors", "preprocessor_config.json", "expected.npz"),
        *("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "tokenizer_expected.json"),
    ],
}


def main() -> None:
    for folder, names in COPIED.items():
        (CONVERT / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(shared("reference", folder, name), CONVERT / folder / name)


if __name__ == "__main__":
    main()
