"""How fast does a model encode, and how near do its vectors stay?  Beside open_clip and onnxruntime, in one run.

    python -m benchmarks.encode [--photos FOLDER]      (`benchmarks/peers.py` says how to have the others here)
    python -m benchmarks.encode --table                (only writes the last results into README.md)

ViT-B/32 with random weights, the same for all. Contenders take turns, call by call, and each one's median counts, so
whatever else the machine does falls on all alike. What is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.peers import BATCH, OpenCLIP, onnx_int8
from benchmarks.report import Target, publish, recorded, with_table
from core.errors import ModelError
from core.formats.convert.vocabulary import find
from core.image.decode import open_image, open_reduced
from core.image.preprocess import normalise
from core.inference.clip_encoder import CLIPEncoder
from core.inference.device import processor
from core.inference.lazy_towers import of_weights
from core.inference.load import MODELS, load_encoder
from core.inference.precision import choose_precision
from core.model.clip import CLIP
from core.model.config import CLIPConfig, ModelConfig, PreprocessConfig, preset
from core.model.init import initialise
from core.text.tokenizer import Tokenizer, train_tokenizer
from train.scenes import paint

MODEL = "ViT-B-32"
PAGE = Path(__file__).parents[1] / "README.md"
CPU = torch.device("cpu")
SIZE = (4000, 3000)
NOISE, QUALITY = 4, 90  # of a sensor, in levels of 255; of the JPEG: files of about 3 MB

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Aims:
    """What a class of processor should reach, as multiples of open_clip's speed, and a share of its time."""

    auto: float
    int8: float
    texts: float
    one_text: float


NATIVE_BF16 = Aims(auto=2.0, int8=3.0, texts=8.0, one_text=0.2)
BYTES = Aims(auto=1.5, int8=1.8, texts=6.0, one_text=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="enlarge photos of this folder, not painted scenes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15, help="how often everything is timed")
    parser.add_argument("--table", action="store_true", help="only write the results that are there into README.md")
    arguments = parser.parse_args()
    if arguments.table:
        last = recorded("encode")["processors"]
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), "encode", table(last)), "utf-8")
        return
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    kind = processor().kind
    numbers: Numbers = {"processor": kind, "threads": arguments.threads, "auto": choose_precision("auto", CPU)}
    peer = find_peer(numbers)
    config, weights = build(peer)
    encoders = {
        name: CLIPEncoder.from_weights(weights, *config, device="cpu", precision=name)
        for name in ("fp32", "auto", *(["int8"] if processor().largest_weight else []))
    }
    targets = [
        *images(peer, encoders, weights, arguments.threads, arguments.rounds, numbers),
        *texts(peer, encoders, arguments.rounds, numbers),
        *decoding(peer, encoders["fp32"], large_jpegs(arguments.photos), arguments.rounds, numbers),
    ]
    publish("encode", numbers, targets, processor=kind)


def table(processors: dict[str, Numbers]) -> str:
    """What README.md shows of the results: a group of rows a class of processor."""
    lines = [
        "| ViT-B/32, two threads | images/s | cosine to fp32 | short texts/s | one new text, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    names = {"open_clip": "open_clip 3.3.0, fp32", "onnxruntime int8": "onnxruntime, int8", "fp32": "clipdex fp32"}
    for kind, numbers in sorted(processors.items()):
        lines.append(f"| **{kind}** | | | | |")
        auto = numbers["auto"]
        ours = {"auto": f"clipdex {auto} (`auto`)"} | ({} if auto == "int8" else {"int8": "clipdex int8"})
        for key, name in (names | ours).items():
            if f"images/s, {key}" in numbers:
                texts, one = (numbers.get(f"{what}, {key}") for what in ("texts/s", "one text, ms"))
                cells = (
                    name,
                    f"{numbers[f'images/s, {key}']:.1f}",
                    f"{numbers[f'images, mean cosine to fp32, {key}']:.4f}",
                    "–" if texts is None else f"{texts:.0f}",
                    "–" if one is None else f"{one:.0f}",
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def aims() -> Aims:
    return NATIVE_BF16 if processor().native_bf16 else BYTES


def find_peer(numbers: Numbers) -> OpenCLIP | None:
    try:
        return OpenCLIP(MODEL)
    except ImportError as error:
        numbers["left out: open_clip"] = str(error)
        return None


def build(peer: OpenCLIP | None) -> tuple[tuple[ModelConfig, Tokenizer], dict[str, Tensor]]:
    """open_clip's model, or one like it."""
    plain = preset(MODEL).model_dump()
    plain["vision"]["activation"] = plain["text"]["activation"] = "gelu"  # as in most of OpenCLIP's
    clip = CLIPConfig.model_validate(plain)
    try:
        tokenizer = Tokenizer.from_merges(find())
    except ModelError:
        tokenizer = train_tokenizer(captions(2000))
        text = clip.text.model_copy(update={"vocab_size": tokenizer.vocab_size, "eot_id": tokenizer.config.eot_id})
        clip = clip.model_copy(update={"text": text})
    weights = peer.weights(clip) if peer else dict(initialise(CLIP(clip), seed=0).state_dict())
    rules = PreprocessConfig(image_size=224)
    return (ModelConfig(name=MODEL, clip=clip, preprocess=rules, tokenizer=tokenizer.config), tokenizer), weights


# --- what is encoded ------------------------------------------------------------------------------------------------


def captions(n: int) -> list[str]:
    """Short captions, all different."""
    found: dict[str, None] = {}
    for seed in range(n):
        found |= dict.fromkeys(paint(seed, size=32).captions)
        if len(found) >= n:
            break
    return list(found)[:n]


def large_jpegs(photos: Path | None) -> list[bytes]:
    """Four JPEGs of 12 megapixels."""
    found = sorted(photos.glob("*.jpg"))[::40] if photos else []
    pictures = [open_image(path) for path in found] or [paint(seed, size=1500).image for seed in range(4)]
    noise = np.random.default_rng(0)
    files = []
    for picture in pictures[:4]:
        size = SIZE if picture.width >= picture.height else SIZE[::-1]
        pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
        pixels = pixels + noise.normal(0, NOISE, (*pixels.shape[:2], 1)).astype(np.float32)
        out = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=QUALITY)
        files.append(out.getvalue())
    return files


# --- what is measured -----------------------------------------------------------------------------------------------


def images(
    peer: OpenCLIP | None,
    encoders: dict[str, CLIPEncoder],
    weights: dict[str, Tensor],
    threads: int,
    rounds: int,
    numbers: Numbers,
) -> list[Target]:
    """Images a second through the image tower, and how near the vectors are to those in fp32."""
    exact = encoders["fp32"]
    pixels = np.stack([exact.prepare(paint(seed, size=256).image) for seed in range(BATCH)])
    batch = normalise(torch.from_numpy(pixels), exact.config.preprocess)
    contenders: dict[str, Callable[[], np.ndarray]] = {
        name: partial(encoder.encode_prepared, pixels) for name, encoder in encoders.items()
    }
    if peer:
        contenders["open_clip"] = partial(peer.encode_images, batch)
    with tempfile.TemporaryDirectory() as folder:
        try:
            tower = of_weights(weights, exact.config.clip)("visual")
            contenders["onnxruntime int8"] = partial(onnx_int8(tower, batch, Path(folder), threads), batch)
        except ImportError as error:
            numbers["left out: onnxruntime"] = str(error)
        seconds = in_turns(contenders, rounds)
        vectors = {name: encode() for name, encode in contenders.items()}
    rate = {name: BATCH / spent for name, spent in seconds.items()}
    near = {name: float((found * vectors["fp32"]).sum(axis=1).mean()) for name, found in vectors.items()}
    for name in contenders:
        numbers[f"images/s, {name}"] = rate[name]
        numbers[f"images, mean cosine to fp32, {name}"] = round(near[name], 6)
    targets = [Target("images, mean cosine to fp32, auto", near["auto"], at_least=0.9995)]
    if "int8" in near:
        targets.append(Target("images, mean cosine to fp32, int8", near["int8"], at_least=0.995))
    if peer:
        least = {"auto": aims().auto} | ({"int8": aims().int8} if "int8" in rate else {})
        targets += [
            Target(f"images/s, {name}, times open_clip", rate[name] / rate["open_clip"], at_least=bound)
            for name, bound in least.items()
        ]
    if {"int8", "onnxruntime int8"} <= rate.keys():
        times = rate["int8"] / rate["onnxruntime int8"]
        targets.append(Target("images/s, int8, times onnxruntime int8", times, at_least=1.0))
    return targets


def texts(peer: OpenCLIP | None, encoders: dict[str, CLIPEncoder], rounds: int, numbers: Numbers) -> list[Target]:
    """Short captions a second, and the time of one query that was not asked before."""
    many = captions(512)  # more than are remembered, so that each is encoded each time
    several: dict[str, Callable[[], Any]] = {name: partial(e.encode_texts, many) for name, e in encoders.items()}
    queries = iter(range(10**9))
    single: dict[str, Callable[[], Any]] = {
        name: lambda e=encoder: e.encode_texts([f"two red boats on a calm sea {next(queries)}"])  # type: ignore[misc]
        for name, encoder in encoders.items()
    }
    if peer:
        several["open_clip"] = partial(peer.encode_texts, many[: 2 * BATCH])  # as many take it seconds
        single["open_clip"] = lambda: peer.encode_texts([f"two red boats on a calm sea {next(queries)}"])
    spent = in_turns(several, max(3, rounds // 3))
    rate = {name: (2 * BATCH if name == "open_clip" else len(many)) / seconds for name, seconds in spent.items()}
    one = in_turns(single, 4 * rounds)
    vectors = {name: encoder.encode_texts(many) for name, encoder in encoders.items()}
    for name in several:
        numbers[f"texts/s, {name}"] = rate[name]
    for name in single:
        numbers[f"one text, ms, {name}"] = 1000 * one[name]
    near = {name: float((found * vectors["fp32"]).sum(axis=1).mean()) for name, found in vectors.items()}
    numbers |= {f"texts, mean cosine to fp32, {name}": round(cosine, 6) for name, cosine in near.items()}
    if not peer:
        return []
    return [
        Target("texts/s, auto, times open_clip", rate["auto"] / rate["open_clip"], at_least=aims().texts),
        Target("one text, auto, share of open_clip's time", one["auto"] / one["open_clip"], at_most=aims().one_text),
    ]


def decoding(
    peer: OpenCLIP | None, encoder: CLIPEncoder, files: Sequence[bytes], rounds: int, numbers: Numbers
) -> list[Target]:
    """From the bytes of large JPEGs to the model's pixels, in one thread."""
    ways: dict[str, Callable[[], Any]] = {
        "fast": lambda: [fast(encoder, data) for data in files],
        "exact": lambda: [encoder.prepare(open_image(data)) for data in files],
    }
    if peer:
        ways["open_clip"] = lambda: [peer.prepare(io.BytesIO(data)) for data in files]
    seconds = in_turns(ways, max(3, rounds // 3))
    quick, exact = np.stack(ways["fast"]()), np.stack(ways["exact"]())
    difference = float(np.abs(quick.astype(int) - exact).mean())
    numbers["12 MP JPEGs, mean bytes"] = sum(map(len, files)) // len(files)
    for name, spent in seconds.items():
        numbers[f"12 MP JPEG, ms, {name}"] = 1000 * spent / len(files)
    numbers[f"fast decoding, mean cosine, {MODEL}"] = _cosine(encoder, quick, exact)
    if (MODELS / "tiny" / "config.json").is_file():
        tiny = load_encoder("tiny", device="cpu", precision="fp32")
        both = [fast(tiny, data) for data in files], [tiny.prepare(open_image(data)) for data in files]
        numbers["fast decoding, mean cosine, tiny"] = _cosine(tiny, np.stack(both[0]), np.stack(both[1]))
    targets = [Target("12 MP JPEG, fast, mean difference of 255", difference, at_most=0.5)]
    if peer:
        theirs = np.stack([_as_bytes(prepared, encoder.config.preprocess) for prepared in ways["open_clip"]()])
        targets += [
            Target("12 MP JPEG, exact, largest difference", float(np.abs(exact - theirs).max()), at_most=0.0),
            Target("12 MP JPEG, fast, times open_clip", seconds["open_clip"] / seconds["fast"], at_least=3.5),
        ]
    return targets


def fast(encoder: Any, data: bytes) -> np.ndarray:
    """As the indexer does it."""
    opened = open_reduced(data, encoder.decode_side)
    pixels: np.ndarray = encoder.prepare(opened.image, (opened.width, opened.height))
    return pixels


def _cosine(encoder: Any, quick: np.ndarray, exact: np.ndarray) -> float:
    cosines = (encoder.encode_prepared(quick) * encoder.encode_prepared(exact)).sum(axis=1)
    return round(float(cosines.mean()), 6)


def _as_bytes(prepared: Tensor, rules: PreprocessConfig) -> np.ndarray:
    """Normalised pixels back to (s, s, 3) levels of 255, as float64."""
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (rules.mean, rules.std))
    levels: np.ndarray = np.rint((prepared.double().numpy() * std + mean) * 255).transpose(1, 2, 0)
    return levels


def in_turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of a call of each."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, call in contenders.items():
            started = time.perf_counter()
            call()
            if turn:  # the first one warms up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(spent) for name, spent in times.items()}


if __name__ == "__main__":
    main()
