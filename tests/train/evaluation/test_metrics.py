"""Do the metrics count what they say?  Hand-written tables, and a plain sort as the slow way."""

from __future__ import annotations

import numpy as np
import pytest

from train.evaluation import metrics

# Two images with two captions each. Rows are texts 0..3; texts 0 and 1 describe image 0, texts 2 and 3 image 1.
SIMILARITY = np.array([[0.9, 0.1], [0.3, 0.4], [0.2, 0.8], [0.5, 0.5]])
TEXT_TO_IMAGE = np.array([0, 0, 1, 1])


def retrieval(similarity: np.ndarray, text_to_image: np.ndarray) -> dict[str, dict[str, float]]:
    """Both directions of text-image retrieval, over the whole (n_texts, n_images) matrix at once."""
    right = text_to_image[:, None] == np.arange(similarity.shape[1])
    return {
        "text_to_image": metrics.recall_of_ranks(metrics.ranks(similarity, right)),
        "image_to_text": metrics.recall_of_ranks(metrics.ranks(similarity.T, right.T)),
    }


def test_a_hand_written_table() -> None:
    found = retrieval(SIMILARITY, TEXT_TO_IMAGE)
    # Text 0 and 2 find their image first, text 1 second; text 3 ties, and a tie counts against: second.
    assert found["text_to_image"] == {"recall_at_1": 0.5, "recall_at_5": 1, "recall_at_10": 1, "median_rank": 1.5}
    # Image 0's best caption (0.9) and image 1's (0.8) are each first.
    assert found["image_to_text"] == {"recall_at_1": 1, "recall_at_5": 1, "recall_at_10": 1, "median_rank": 1}


def test_one_of_several_right_answers_in_the_top_k_is_enough() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.1]])
    for right, rank in (([0, 0, 1, 1], 3), ([0, 1, 0, 1], 2), ([1, 0, 0, 1], 1), ([1, 1, 1, 1], 1), ([0, 0, 0, 1], 4)):
        assert metrics.ranks(scores, np.array([right], bool)) == [rank]


def test_a_model_that_scores_everything_alike_is_last_not_first() -> None:
    same = np.zeros((20, 20), np.float32)
    found = retrieval(same, np.arange(20))
    assert found["text_to_image"] == {"recall_at_1": 0, "recall_at_5": 0, "recall_at_10": 0, "median_rank": 20}
    result = metrics.zero_shot(same[:, :7], np.arange(20) % 7, [str(i) for i in range(7)])
    assert (result["top1"], result["top5"]) == (0, 0)


def test_nan_is_never_a_success() -> None:
    scores = np.full((2, 12), np.nan)
    scores[1] = np.linspace(0, 1, 12)
    scores[1, 3] = np.nan  # a wrong answer without a number counts as better
    right = np.zeros((2, 12), bool)
    right[0, 0] = right[1, 11] = True
    assert metrics.ranks(scores, right).tolist() == [12, 2]


def test_a_query_without_a_right_answer_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="query 1 has no right answer"):
        metrics.ranks(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def recall_by_sorting(similarity: np.ndarray, right: np.ndarray, k: int) -> float:
    """CLIP_benchmark's definition, the long way: is any right answer among the k highest?"""
    hits = 0
    for row, good in zip(similarity, right, strict=True):
        best = sorted(range(len(row)), key=lambda c: -row[c])[:k]
        hits += any(good[c] for c in best)
    return hits / len(similarity)


@pytest.mark.parametrize("seed", range(5))
def test_recall_is_what_sorting_every_row_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, texts = 40, 130
    text_to_image = np.concatenate([np.arange(n), rng.integers(0, n, texts - n)])
    similarity = rng.normal(size=(texts, n)) + 1.5 * (text_to_image[:, None] == np.arange(n))
    right = text_to_image[:, None] == np.arange(n)
    found = retrieval(similarity, text_to_image)
    for k in (1, 5, 10):
        assert found["text_to_image"][f"recall_at_{k}"] == recall_by_sorting(similarity, right, k)
        assert found["image_to_text"][f"recall_at_{k}"] == recall_by_sorting(similarity.T, right.T, k)
    places = [1 + int((row > row[good].max()).sum()) for row, good in zip(similarity, right, strict=True)]
    assert found["text_to_image"]["median_rank"] == np.median(places)


def test_ranks_in_pieces_are_the_ranks_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts, images = rng.normal(size=(101, 8)).astype(np.float32), rng.normal(size=(30, 8)).astype(np.float32)
    of_text, of_image = rng.permutation(np.arange(101) % 30), np.arange(30)
    whole = metrics.ranks(texts.astype(float) @ images.T.astype(float), of_text[:, None] == of_image)
    back = metrics.ranks(images.astype(float) @ texts.T.astype(float), of_image[:, None] == of_text)
    for size in (1, 31, 1000, 10**9):
        monkeypatch.setattr(metrics, "SCORES_AT_ONCE", size)
        assert (metrics.ranks_in_pieces(texts, images, of_text, of_image) == whole).all()
        assert (metrics.ranks_in_pieces(images, texts, of_image, of_text) == back).all()


def test_zero_shot_by_hand() -> None:
    scores = np.array(
        [
            [9, 1, 1, 1, 1, 1, 1],  # right
            [8, 9, 1, 1, 1, 1, 1],  # second
            [7, 6, 5, 4, 3, 2, 1],  # class 6 of seven: last
            [1, 9, 1, 1, 1, 1, 1],  # right
        ]
    )
    result = metrics.zero_shot(scores, np.array([0, 0, 6, 1]), list("abcdefg"))
    assert result == {
        "top1": 0.5,
        "top5": 0.75,
        "n": 4,
        "mean_per_class": 0.5,
        "per_class": {"a": 0.5, "b": 1.0, "g": 0.0},
    }
