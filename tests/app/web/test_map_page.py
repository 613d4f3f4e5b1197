"""Does the map show what lies where, and do areas of it become images?  Through AppTest, in words (`?plain=1`)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.library import background_cache, searchers
from app.server.map_routes import NAME, map_address
from app.web import manual_selection, map_colors
from clipdex import open as open_collection
from indexer.map.projection import FOLDER
from tests.app.conftest import COLOURS, EACH, Server
from tests.app.web.test_pages import COUNT, component, opened, param, shown, tiles

PATIENCE = 300


def settled(app: AppTest) -> AppTest:
    """Run it, and again until what is computed in the background is there."""
    end = time.monotonic() + PATIENCE
    app.run()
    while app.get("progress") and time.monotonic() < end:
        time.sleep(0.2)
        app.run()
    assert not app.exception and not app.get("progress")
    return app


@pytest.fixture
def map_page(collection: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The map over the collection, not yet run."""
    app = opened(collection, monkeypatch)
    app.switch_page("app/web/pages/map.py")
    return app


def regions(app: AppTest) -> list[str]:
    return [button.label for button in app.button if (button.key or "").startswith("region-")]


def test_the_map_in_words_counts_every_picture_and_names_what_lies_where(map_page: AppTest) -> None:
    settled(map_page)
    said = regions(map_page)
    counts = [int(label.partition("· ")[2].split()[0].replace(",", "")) for label in said]
    assert sum(counts) == COUNT
    assert all(any(colour in label for colour in COLOURS) for label in said)


def test_an_area_becomes_pictures_in_the_grid_and_is_cleared(map_page: AppTest) -> None:
    settled(map_page)
    button = next(one for one in map_page.button if (one.key or "").startswith("region-"))
    count = int(button.label.partition("· ")[2].split()[0])
    button.click()
    settled(map_page)
    assert len(tiles(map_page)) == count
    assert f"{count:,} image" in shown(map_page)
    assert param(map_page, "area")
    next(one for one in map_page.button if one.key == "clear").click()
    settled(map_page)
    assert param(map_page, "area") is None
    assert tiles(map_page) == []


def test_words_colour_the_map_and_put_the_nearest_first(map_page: AppTest) -> None:
    map_page.query_params["q"] = "blue -disc folder:blue"
    map_page.query_params["area"] = manual_selection.written(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    settled(map_page)
    assert [one.split("/")[0] for one in tiles(map_page)] == ["blue"] * EACH
    map_page.query_params["q"] = "red"
    settled(map_page)
    assert tiles(map_page)[0].startswith("red/")


def test_the_component_gets_a_byte_for_each_picture_and_a_legend(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(collection, monkeypatch)
    app.switch_page("app/web/pages/map.py")
    del app.query_params["plain"]
    settled(app)
    told = component(app, "clipdex_map")
    assert sorted(name for name, _ in told["legend"]["names"]) == sorted(COLOURS)
    assert sum(count for _, count in told["legend"]["names"]) == COUNT
    assert (told["legend"]["count"], told["legend"]["ends"], told["area"]) == (COUNT, None, None)


def test_find_similar_in_the_selection_leads_to_the_search_page(map_page: AppTest) -> None:
    map_page.query_params["like"] = "blue/blue-03.png"
    settled(map_page)
    assert "Similar to blue\\-03\\.png" in shown(map_page)
    assert tiles(map_page)[1].startswith("blue/")


@pytest.mark.parametrize("area", ["x", "1.2.3", "zzzzzzzzzz." * 6])
def test_a_wrong_area_in_the_url_does_no_harm(map_page: AppTest, area: str) -> None:
    map_page.query_params["area"] = area
    settled(map_page)
    assert regions(map_page)


def test_a_map_whose_file_was_damaged_is_drawn_again(map_page: AppTest, collection: Path) -> None:
    settled(map_page)
    snapshot = searchers.searcher(collection).snapshot()
    (file,) = (snapshot.collection.path / FOLDER).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    background_cache.discard(NAME, snapshot)
    settled(map_page)
    assert regions(map_page)
    assert file.read_bytes() == whole


def test_areas_are_written_and_read_and_hold_what_lies_in_them() -> None:
    area = np.array([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.3), (0.1, 0.9)])
    read = manual_selection.corners(manual_selection.written(area))
    assert read is not None
    assert np.abs(read - area).max() < 1 / 4095
    places = np.array([(0.2, 0.2), (0.5, 0.8), (0.85, 0.7), (0.05, 0.5), (0.5, 0.2)])
    assert manual_selection.inside(places, area).tolist() == [True, False, True, False, True]


def test_scales_go_from_the_usual_to_the_best_and_names_are_the_most_frequent() -> None:
    scores = np.array([0.1, 0.1, 0.1, 0.2, 0.3])
    scale = map_colors.by_scores(scores)
    assert scale.codes.tolist() == [0, 0, 0, 124, 249] or scale.codes.tolist() == [0, 0, 0, 125, 249]
    assert scale.ends == ("0.100 or less", "0.300")
    snapshot_values = [f"v{number % 11}" for number in range(110)] + ["v3"] * 5 + [None]
    named = map_colors._named(snapshot_values)
    assert named.names[0] == ("v3", 15)
    assert len(named.names) == map_colors.NAMED
    assert (named.other, named.unknown) == (30, 1)


def test_places_and_names_are_served_for_this_version_alone(server: Server) -> None:
    searcher = open_collection(server.folder)
    snapshot = searcher.snapshot()
    key = searchers.key(server.folder.resolve())
    address = map_address(key, f"{background_cache.mark(snapshot)}-1")

    def names(body: object, where: str = address) -> tuple[int, bytes]:
        request = Request(server.url + where, data=json.dumps(body).encode(), method="POST")
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    code, body = names([0, 5, 10_000, -1])
    assert code == 200
    told = json.loads(body)
    assert [one["row"] for one in told] == [0, 5]
    assert told[0]["name"] == snapshot.ids[0].rsplit("/", 1)[-1]
    assert server.get(told[0]["thumb"])[0] == 200
    for wrong in ("x", {"a": 1}, [1.5], [True], ["0"], list(range(401))):
        assert names(wrong)[0] == 400
    assert names(list(range(5_000)))[0] == 413
    assert names([0], map_address(key, "0" * 24 + "-1"))[0] == 404
    assert names([0], map_address("0" * 12, background_cache.mark(snapshot)))[0] == 404
    assert server.get(map_address(key, "0" * 24 + "-1"))[0] == 404
