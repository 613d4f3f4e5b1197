"""Paints endless scenes with known content.

`paint(seed)` decides what is in the scene (compose.py), draws it (skies.py, land.py and one file per family of
things), gives it a style (styles.py) and describes it (captions.py). The same seed is the same scene at every size,
in every process.
"""

from train.scenes.collection import write_collection
from train.scenes.content import Content, Scene, Thing
from train.scenes.painting import VERSION, paint
from train.scenes.palette import COLOURS
from train.scenes.registry import KINDS
from train.scenes.settings import SETTINGS
from train.scenes.styles import STYLES

__all__ = [
    "COLOURS",
    "KINDS",
    "SETTINGS",
    "STYLES",
    "VERSION",
    "Content",
    "Scene",
    "Thing",
    "paint",
    "write_collection",
]
