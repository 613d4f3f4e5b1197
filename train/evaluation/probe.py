"""Fits a linear probe on frozen features.

Radford et al. 2021, appendix A.3: L-BFGS logistic regression of at most 1,000 iterations; the strength of the L2
penalty is searched between 1e-6 and 1e6 on a held-out part of the training data, starting from every second decade
and halving the interval around the best value down to eight steps a decade.
"""

from __future__ import annotations

import warnings

import numpy as np

from core.errors import DataError, MissingExtraError

MAX_ITERATIONS = 1000
DECADES = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
FINEST = 1 / 8
HELD_OUT_SHARE = 0.2
SHOTS = (1, 2, 4, 8, 16)
DRAWS = 3  # few examples differ much from draw to draw


def fit_score(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, l2: float) -> float:
    """Fit on (n, d) features and labels (n,), return the share of right answers on the test features."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtraError("scikit-learn", "train", "the linear probe") from None

    model = LogisticRegression(C=1 / l2, max_iter=MAX_ITERATIONS)  # solver: L-BFGS is the default
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the paper stops there, too
        model.fit(x, y)
    return float(model.score(x_test, y_test))


def choose_l2(x: np.ndarray, y: np.ndarray, x_held: np.ndarray, y_held: np.ndarray) -> float:
    """The penalty with the best score on the held-out part; of equally good ones the strongest."""
    scores: dict[float, float] = {}

    def look_at(*exponents: float) -> float:
        for exponent in exponents:
            if exponent not in scores and DECADES[0] <= exponent <= DECADES[-1]:
                scores[exponent] = fit_score(x, y, x_held, y_held, 10.0**exponent)
        return max(scores, key=lambda exponent: (scores[exponent], exponent))

    best, step = look_at(*DECADES), 1.0
    while step >= FINEST:
        best = look_at(best - step, best + step)
        step /= 2
    return float(10.0**best)


def held_out(y: np.ndarray, seed: int) -> np.ndarray:
    """Which of the labels y (n,) to keep for choosing the penalty: a fifth of each class, at least one, bool (n,).

    Raises `DataError` when a class has a single image.
    """
    rng = np.random.default_rng(seed)
    split = np.zeros(len(y), bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        if len(rows) < 2:
            raise DataError(f"class {label} has a single image; a probe needs two or more a class")
        split[rows[: max(1, int(len(rows) * HELD_OUT_SHARE))]] = True
    return split


def few_shot(
    x: np.ndarray, y: np.ndarray, split: np.ndarray, x_test: np.ndarray, y_test: np.ndarray, seed: int
) -> dict[int, float]:
    """Top-1 with 1, 2, 4, 8 and 16 images a class, mean of three draws; numbers that no class can fill are left out.

    The penalty is chosen on the held-out part for the first draw of each number. That part is larger than the draws,
    so these are the scores of few examples with a well-chosen penalty.
    """
    pool = np.flatnonzero(~split)
    smallest = min(int((y[pool] == label).sum()) for label in np.unique(y))
    rng = np.random.default_rng(seed)
    result = {}
    for shots in (k for k in SHOTS if k <= smallest):
        draws = [_draw(y, pool, shots, rng) for _ in range(DRAWS)]
        l2 = choose_l2(x[draws[0]], y[draws[0]], x[split], y[split])
        result[shots] = float(np.mean([fit_score(x[rows], y[rows], x_test, y_test, l2) for rows in draws]))
    return result


def _draw(y: np.ndarray, pool: np.ndarray, shots: int, rng: np.random.Generator) -> np.ndarray:
    """`shots` rows of each class out of `pool`."""
    return np.concatenate([rng.choice(pool[y[pool] == label], shots, replace=False) for label in np.unique(y)])
