"""Encodes texts with NumPy, before PyTorch is imported.

Importing PyTorch takes longer than everything else that a search by words does, and a text tower is a few matrix
products. This is the function of `core/model/text.py` in float32 with NumPy, for the few texts of a command that is
started, asks and ends (`tests/core/inference/test_numpy_text.py` compares). For many texts PyTorch is worth its import.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from core.formats import fingerprints, weights_file
from core.model.config import Activation, CBOWTextConfig, CLIPConfig, TransformerTextConfig

QUICK_GELU = 1.702  # as in core/model/transformer.py
# erf to 1.5e-7: Abramowitz and Stegun 1964, "Handbook of Mathematical Functions", 7.1.26.
ERF_T, ERF = 0.3275911, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
SHORTEST = 1e-12  # as in torch.nn.functional.normalize

FEW = 16  # texts for which PyTorch is not imported

Arrays = Mapping[str, np.ndarray]
TextConfig = TransformerTextConfig | CBOWTextConfig


def load(file: Path, config: CLIPConfig, digests: Mapping[str, str]) -> NumpyText | None:
    """The text tower of a weights file, verified against its digests; None for a number format that NumPy lacks.

    Raises `ModelError` as `core.inference.lazy_towers.of_file`.
    """
    with weights_file.opened(file, config, "numpy") as (tensors, shapes):
        names = sorted(name.removeprefix("text.") for name in shapes if name.startswith("text."))
        if any(tensors.get_slice(f"text.{name}").get_dtype() not in weights_file.KNOWN_TO_NUMPY for name in names):
            return None
        digest, arrays = hashlib.sha256(), {}
        counted = []
        with ThreadPoolExecutor(1) as pool:  # counts one tensor while the next is read
            for name in names:
                arrays[name] = tensors.get_tensor(f"text.{name}").astype(np.float32, copy=False)
                counted.append(pool.submit(weights_file.add_to, digest, name, arrays[name]))
        for each in counted:
            each.result()
    weights_file.check_finite({f"text.{name}": array for name, array in arrays.items()}, file.parent)
    fingerprints.confirm(file, digest.hexdigest(), digests["text"])
    return NumpyText(config, arrays)


class BeforeTorch:
    """The tower of an encoder for as long as nobody has imported PyTorch, loaded when it is first asked for."""

    def __init__(self, load: Callable[[], NumpyText | None]) -> None:
        self._load, self._lock = load, threading.Lock()
        self._tower: NumpyText | None = None

    def tower(self, texts: int) -> NumpyText | None:
        """What encodes so many texts; None where PyTorch is to do it, and from then on."""
        with self._lock:
            if "torch" in sys.modules or texts > FEW:
                self._tower = None
            elif self._tower is None:
                self._tower = self._load()
            return self._tower


class NumpyText:
    """A text tower: (n, t) token ids -> (n, d) float32, rows of length 1."""

    def __init__(self, config: CLIPConfig, arrays: Arrays) -> None:
        """`arrays` are float32, by their names within the tower."""
        self._config, self._arrays = config.text, arrays

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        at_eot = (ids == self._config.eot_id).argmax(axis=1)
        if isinstance(self._config, TransformerTextConfig):
            state = _transformer(self._config, self._arrays, ids, at_eot)
        else:
            state = _bag_of_words(self._arrays, ids, at_eot)
        features = _layer_norm(state, self._arrays, "norm_final", self._config) @ self._arrays["projection.weight"].T
        unit: np.ndarray = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), SHORTEST)
        return unit


def _transformer(config: TransformerTextConfig, arrays: Arrays, ids: np.ndarray, at_eot: np.ndarray) -> np.ndarray:
    """The state (n, width) at the end-of-text token, as `TextTransformer`."""
    n, t = ids.shape
    x = arrays["token_embedding.weight"][ids] + arrays["position_embedding"][:t]
    hidden = np.triu(np.full((t, t), -np.inf, np.float32), k=1)  # what is behind a token
    for layer in range(config.layers):
        name = f"blocks.{layer}"
        stacked = _linear(_layer_norm(x, arrays, f"{name}.norm_attention", config), arrays, f"{name}.attention.qkv")
        q, k, v = stacked.reshape(n, t, 3, config.heads, -1).transpose(2, 0, 3, 1, 4)
        scores = q @ k.swapaxes(-1, -2) * np.float32(q.shape[-1] ** -0.5) + hidden
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attended = weights @ v / weights.sum(axis=-1, keepdims=True)
        x = x + _linear(attended.swapaxes(1, 2).reshape(n, t, -1), arrays, f"{name}.attention.out")
        inner = _linear(_layer_norm(x, arrays, f"{name}.norm_mlp", config), arrays, f"{name}.mlp_in")
        x = x + _linear(_ACTIVATIONS[config.activation](inner), arrays, f"{name}.mlp_out")
    state: np.ndarray = x[np.arange(n), at_eot]
    return state


def _bag_of_words(arrays: Arrays, ids: np.ndarray, at_eot: np.ndarray) -> np.ndarray:
    """The mean (n, width) of the embeddings up to the end-of-text token, as `TextBagOfWords`."""
    inside = np.arange(ids.shape[1]) <= at_eot[:, np.newaxis]
    embedded = arrays["token_embedding.weight"][ids] * inside[..., np.newaxis]
    mean: np.ndarray = embedded.sum(axis=1) / inside.sum(axis=1, keepdims=True, dtype=np.float32)
    return mean


def _linear(x: np.ndarray, arrays: Arrays, name: str) -> np.ndarray:
    rows = x.reshape(-1, x.shape[-1])  # one product, not one for each text
    out: np.ndarray = rows @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]
    return out.reshape(*x.shape[:-1], -1)


def _layer_norm(x: np.ndarray, arrays: Arrays, name: str, config: TextConfig) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normed: np.ndarray = centred / np.sqrt(variance + np.float32(config.norm_eps))
    return normed * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    scaled = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(ERF_T) * scaled)
    series = np.zeros_like(t)
    for factor in ERF:
        series = (series + np.float32(factor)) * t
    erf = np.copysign(1 - series * np.exp(-np.square(scaled)), x)
    found: np.ndarray = x * (1 + erf) / 2
    return found


def _quick_gelu(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # e^x is infinite where the factor is 0
        found: np.ndarray = x / (1 + np.exp(np.float32(-QUICK_GELU) * x))
    return found


_ACTIVATIONS: dict[Activation, Callable[[np.ndarray], np.ndarray]] = {"gelu": _gelu, "quick_gelu": _quick_gelu}
