"""The registry of things that can be drawn."""

from __future__ import annotations

from train.scenes.animals import KINDS as ANIMALS
from train.scenes.buildings import KINDS as BUILDINGS
from train.scenes.creatures import KINDS as CREATURES
from train.scenes.food import KINDS as FOOD
from train.scenes.kinds import Kind
from train.scenes.objects import KINDS as OBJECTS
from train.scenes.people import KINDS as PEOPLE
from train.scenes.plants import KINDS as PLANTS
from train.scenes.vehicles import KINDS as VEHICLES

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in [*ANIMALS, *BUILDINGS, *CREATURES, *FOOD, *OBJECTS, *PEOPLE, *PLANTS, *VEHICLES]
}

TABLE_KINDS = tuple(kind.name for kind in KINDS.values() if kind.still)
INDOORS = tuple(kind.name for kind in KINDS.values() if kind.on == "table")
CLOSE_KINDS = (*KINDS, *INDOORS)  # what never stands in a landscape gets its turn here
