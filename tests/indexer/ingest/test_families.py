"""Does a collection keep to a model of another package as it keeps to one of ours?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import clipdex
from core.errors import WrongModelError
from core.image.decode import open_image
from core.inference.load import load_encoder
from tests.core.inference.families.models import openclip_folder
from tests.indexer.pictures import paint_three


@pytest.mark.filterwarnings("ignore")  # timm's and torchvision's own
def test_a_collection_of_a_model_of_open_clip_is_searched_with_it_and_with_no_other(tmp_path: Path) -> None:
    model, photos = openclip_folder("pe", tmp_path / "pe"), paint_three(tmp_path / "photos")
    assert clipdex.index(photos, model=f"openclip:{model}").added == 3
    encoder = load_encoder(f"openclip:{model}", device="cpu")
    hits = clipdex.open(photos).search("a red image", limit=3)
    vectors = {hit.id: encoder.encode_images([open_image(photos / hit.id)])[0] for hit in hits}
    words = encoder.encode_texts(["a red image"])[0]
    assert [hit.score for hit in hits] == pytest.approx([float(vectors[hit.id] @ words) for hit in hits], abs=2e-3)
    assert np.all(np.diff([hit.score for hit in hits]) <= 0)
    weights = load_file(model / "open_clip_model.safetensors")
    weights["text.token_embedding.weight"] *= 2
    save_file(weights, model / "open_clip_model.safetensors")
    with pytest.raises(WrongModelError):
        clipdex.open(photos).search("a red image")
