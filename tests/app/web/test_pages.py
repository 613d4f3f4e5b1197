"""What do the pages show and do?  Driven through Streamlit's AppTest, with the native widgets (`?plain=1`)."""

from __future__ import annotations

import json
import os
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.library import searchers
from app.web import url_state
from app.web.components.markdown import as_text
from app.web.components.page_frame import labels
from app.web.pages import PAGES
from app.web.pages.search import EXAMPLES, FEATURED
from clipdex import index
from tests.app.conftest import COLOURS, EACH, EVIL, paint
from tests.shared import ROOT

COUNT = 4 * EACH + 1


@pytest.fixture
def app(collection: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app over the collection, not yet run."""
    return opened(collection, monkeypatch)


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("CLIPDEX_COLLECTION", str(folder))
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=300)
    test.query_params["plain"] = "1"
    return test


def tiles(app: AppTest) -> list[str]:
    """The ids of the tiles, best first."""
    keys = [button.key or "" for button in app.button]
    return [key.removeprefix("open-") for key in keys if key.startswith("open-")]


def shown(app: AppTest) -> str:
    """All words on the page."""
    kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.error, app.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def chip(app: AppTest, label: str) -> Any:
    """The button that takes away a part of the question."""
    (found,) = (one for one in app.button if (one.key or "").startswith("chip-") and one.label == label)
    return found


def component(app: AppTest, name: str) -> dict[str, Any]:
    """What a component of ours was given."""
    (found,) = (one.proto.json for one in app.get("bidi_component") if one.proto.component_name == name)
    told: dict[str, Any] = json.loads(found)
    return told


def rankings(app: AppTest) -> list[list[tuple[str, str]]]:
    """The words of each list of the describe page and what is said of them."""
    found = [
        one.proto.body for one in app.get("html") if "clipdex-ranking" in one.proto.body and "<ol" in one.proto.body
    ]
    line = re.compile(r'<span class="words">(.*?)</span><b>(.*?)</b>')
    return [[(unescape(words), told) for words, told in line.findall(one)] for one in found]


def chips(app: AppTest) -> list[str]:
    return [button.label for button in app.button if (button.key or "").startswith("chip-")]


def several(app: AppTest, name: str) -> list[str]:
    value = app.query_params.get(name, [])
    return list(value) if isinstance(value, list) else [value]


def param(app: AppTest, name: str) -> str | None:
    value = app.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def test_the_start_screen_invites_and_shows_some_of_the_collection(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert "What are you looking for?" in shown(app)
    assert f"{COUNT} images" in shown(app)
    assert [button.label for button in app.button if (button.key or "").startswith("example-")] == list(EXAMPLES)
    assert len(tiles(app)) == FEATURED


def test_words_find_pictures_best_first(app: AppTest) -> None:
    app.run()
    app.text_input(key="q").set_value("blue").run()
    assert not app.exception
    assert [item.split("/")[0] for item in tiles(app)[:EACH]] == ["blue"] * EACH
    assert "1 · 0" in shown(app).replace("\\", "")
    assert param(app, "q") == "blue"


def test_a_url_with_words_opens_their_results(app: AppTest) -> None:
    app.query_params["q"] = "green"
    app.run()
    assert app.text_input(key="q").value == "green"
    assert [item.split("/")[0] for item in tiles(app)[:EACH]] == ["green"] * EACH


def test_an_example_is_searched_by_a_click(app: AppTest) -> None:
    app.run()
    app.button(key=f"example-{EXAMPLES[0]}").click().run()
    assert app.text_input(key="q").value == EXAMPLES[0]
    assert EXAMPLES[0] in shown(app)


def test_examples_are_short_captions_of_the_collection_where_it_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["image,caption"]
    for number, colour in enumerate([*COLOURS] * 2):
        paint(tmp_path / f"{number}.png", colour, number)
        lines += [f"{number}.png,a {colour} thing {number}", f"{number}.png,not -this one: it has signs"]
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    index(tmp_path, model="toy")
    app = opened(tmp_path, monkeypatch)
    app.run()
    offered = [button.label for button in app.button if (button.key or "").startswith("example-")]
    assert len(offered) == len(EXAMPLES) and offered[:2] == ["a red thing 0", "a green thing 1"]
    app.button(key="example-a green thing 1").click().run()
    assert not app.exception and tiles(app)[0] in ("1.png", "5.png")


def test_show_more_adds_below_what_is_there(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.run()
    first = tiles(app)
    assert len(first) == 60
    app.button(key="more").click().run()
    assert tiles(app)[:60] == first
    assert len(tiles(app)) == COUNT
    assert param(app, "n") == "120"
    assert "more" not in [button.key for button in app.button]


@pytest.mark.parametrize("number", ["-1", "abc", "1e9", "99999999999", "²"])
def test_a_wrong_number_in_the_url_does_no_harm(app: AppTest, number: str) -> None:
    app.query_params["q"] = "red"
    app.query_params["n"] = number
    app.run()
    assert not app.exception
    assert len(tiles(app)) in (60, COUNT)


def test_a_picture_is_seen_large_with_its_captions_numbers_and_place(app: AppTest, collection: Path) -> None:
    app.query_params["q"] = "yellow"
    app.run()
    second = tiles(app)[1]
    app.button(key=f"open-{second}").click().run()
    assert not app.exception
    assert param(app, "item") == second
    assert "a yellow card with a disc at place" in shown(app)
    assert "rank 2 · score" in shown(app)
    assert str(collection / second) in shown(app)


def test_next_and_previous_walk_through_the_hits(app: AppTest) -> None:
    app.query_params["q"] = "yellow"
    app.run()
    hits = tiles(app)
    app.button(key=f"open-{hits[0]}").click().run()
    assert app.button(key="viewer-previous").disabled
    app.button(key="viewer-next").click().run()
    assert param(app, "item") == hits[1]
    app.button(key="viewer-previous").click().run()
    assert param(app, "item") == hits[0]


def test_next_goes_on_behind_the_last_hit_that_is_shown(app: AppTest) -> None:
    app.query_params["q"] = "yellow"
    app.run()
    hits = tiles(app)
    assert len(hits) == url_state.PAGE_SIZE < COUNT
    app.button(key=f"open-{hits[-1]}").click().run()
    app.button(key="viewer-next").click().run()
    assert not app.exception
    every = tiles(app)
    assert every[: len(hits)] == hits and len(every) == COUNT and param(app, "item") == every[len(hits)]
    app.button(key="viewer-previous").click().run()
    assert param(app, "item") == hits[-1]
    app.query_params["item"] = every[-1]
    app.run()
    assert app.button(key="viewer-next").disabled  # the very last one


def test_similar_pictures_are_found_and_clear_leads_to_the_start(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.run()
    app.button(key="similar-red/red-04.png").click().run()
    assert param(app, "like") == "red/red-04.png"
    assert tiles(app)[0] == "red/red-04.png"
    assert "Similar to red\\-04\\.png" in shown(app)
    app.button(key="clear").click().run()
    assert param(app, "like") is None
    assert "What are you looking for?" in shown(app)


def test_a_picture_can_be_uploaded_to_find_others_like_it(app: AppTest, collection: Path) -> None:
    content = (collection / "green" / "green-05.png").read_bytes()
    app.run()
    app.file_uploader[0].set_value(("my card.png", content, "image/png")).run()
    assert not app.exception
    assert tiles(app)[0] == "green/green-05.png"
    assert "Similar to my card\\.png" in shown(app)
    app.text_input(key="q").set_value("red").run()
    assert not app.exception
    assert "red · Similar to my card\\.png" in shown(app)  # both count
    assert {tile.split("/")[0] for tile in tiles(app)[:10]} <= {"red", "green"}
    chip(app, "image my card\\.png").click().run()
    assert [tile.split("/")[0] for tile in tiles(app)[:EACH]] == ["red"] * EACH


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"q": "a red car " * 3400}, "10,200 words"),
        ({"like": "![x](http://evil.example/x.png)"}, "no image '![x](http://evil.example/x.png)' is indexed"),
        ({"like": "no/such.png"}, "no image 'no/such.png' is indexed here"),
        ({"q": "red", "item": "../../etc/passwd"}, "no image '../../etc/passwd' is indexed here"),
    ],
)
def test_what_cannot_be_answered_is_said_in_place(app: AppTest, params: dict[str, str], message: str) -> None:
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert as_text(message) in "\n".join(error.value for error in app.error)


def test_an_upload_that_is_no_picture_is_said_in_place(app: AppTest) -> None:
    app.run()
    app.file_uploader[0].set_value(("notes.txt", b"not an image", "text/plain")).run()
    assert not app.exception
    assert len(app.error) == 1
    assert "not an image" in app.error[0].value


@pytest.mark.parametrize("page", [page["page"].name for page in PAGES if page["title"] != "Library"])
def test_every_page_says_that_there_is_no_collection(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(tmp_path, monkeypatch).run()
    app.switch_page(f"app/web/pages/{page}").run()
    assert not app.exception
    assert [("clipdex index" in error.value) for error in app.error] == [True]


def test_a_damaged_collection_is_said_in_place(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(collection, tmp_path / "copy")
    info = copy / ".clipdex" / "collection.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "format_version": 99}))
    app = opened(copy, monkeypatch).run()
    assert not app.exception
    assert "99" in app.error[0].value


def test_words_from_files_are_shown_as_they_are_written(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.query_params["item"] = "red/red & <b>odd</b>.png"
    app.run()
    assert not app.exception
    assert f"**{as_text(EVIL)}**" in [element.value for element in app.markdown]
    assert "<" not in as_text(EVIL).replace("\\<", "")


def test_the_describe_page_ranks_captions_and_labels(app: AppTest, collection: Path) -> None:
    app.run()
    app.switch_page("app/web/pages/describe.py").run()
    app.file_uploader[0].set_value(("b.png", (collection / "blue" / "blue-01.png").read_bytes(), "image/png")).run()
    assert not app.exception
    captions, _ = rankings(app)
    assert len(captions) == 10
    assert all("blue" in words for words, _ in captions)
    app.text_input(key="labels").set_value("red, blue, green").run()
    labels = rankings(app)[1]
    assert labels[0][0] == "blue"
    assert sorted(words for words, _ in labels) == ["blue", "green", "red"]
    assert abs(sum(float(told.rstrip("%")) for _, told in labels) - 100) < 0.5
    app.text_input(key="labels").set_value("red").run()
    assert "Two labels or more" in shown(app)


def test_the_describe_page_is_linked_with_its_picture_labels_and_sentences(app: AppTest) -> None:
    wanted = {"item": "blue/blue-01.png", "labels": "red, <b>blue</b>", "prompts": "a {} card\nthe colour {}"}
    app.query_params.update(wanted)
    app.run()
    app.switch_page("app/web/pages/describe.py").run()
    assert not app.exception
    assert app.text_area(key="prompts").value == wanted["prompts"]
    assert "Each label is put into 2 sentences" in [one.label for one in app.expander]
    assert {words for words, _ in rankings(app)[1]} == {"red", "<b>blue</b>"}
    app.text_area(key="prompts").set_value("no place for it").run()
    (said,) = [error.value for error in app.error]
    assert "each line needs exactly one" in said
    assert as_text("'no place for it'") in said
    app.button(key="prompts-80").click().run()
    assert not app.error
    assert len(str(param(app, "prompts")).splitlines()) == 80
    assert param(app, "item") == wanted["item"]
    app.text_area(key="prompts").set_value("").run()
    assert "it is empty" in app.error[0].value


def test_the_collection_page_counts_and_lists_the_failures(app: AppTest, collection: Path) -> None:
    app.run()
    app.switch_page("app/web/pages/collection.py").run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric if metric.label != "On disk"} == {
        "Images": str(COUNT),
        "Captions": str(COUNT),
        "Not readable": "2",
    }
    assert "1 empty file · 1 not an image" in shown(app)
    assert f"clipdex index {collection}" in shown(app).splitlines()


def test_a_collection_that_grows_is_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, kept = tmp_path / "my images", tmp_path / "kept"
    paint(folder / "a.png", "red", 1)
    index(folder, model="toy", to=kept)
    app = opened(kept, monkeypatch).run()
    assert "1 image, found" in shown(app)
    app.switch_page("app/web/pages/collection.py").run()
    assert f"clipdex index '{folder}' --to {kept}" in shown(app).splitlines()
    paint(folder / "b.png", "blue", 1)
    index(folder, to=kept)
    app.run()
    assert {metric.label: metric.value for metric in app.metric}["Images"] == "2"


def test_a_picture_that_changed_has_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def large(item: str) -> str:
        app = opened(tmp_path, monkeypatch)
        app.query_params.update({"plain": "", "q": "red", "item": item})
        app.run()
        assert not app.exception
        return str(component(app, "clipdex_picture")["src"])

    for name in "ab":
        paint(tmp_path / f"{name}.png", "red", 1)
    index(tmp_path, model="toy")
    before = large("a.png"), large("b.png")
    paint(tmp_path / "a.png", "red", 2)
    index(tmp_path)
    assert large("a.png").split("?")[0] == before[0].split("?")[0]
    assert large("a.png") != before[0]
    assert large("b.png") == before[1]


def test_a_name_that_is_no_utf8_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paint(tmp_path / "x.png", "red", 1)
    (tmp_path / "x.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    index(tmp_path, model="toy")
    app = opened(tmp_path, monkeypatch)
    app.query_params["q"] = "red"
    app.query_params["item"] = r"caf\xe9.png"
    app.run()
    assert not app.exception
    assert f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.png" in shown(app).splitlines()


# --- what is asked beyond words --------------------------------------------------------------------------------------


def test_signs_and_conditions_are_chips_that_can_be_taken_away(app: AppTest) -> None:
    app.query_params["q"] = 'card -blue "disc at" folder:red'
    app.run()
    assert not app.exception
    assert chips(app) == [as_text('"disc at"'), as_text("-blue"), as_text("folder: red")]
    assert {tile.split("/")[0] for tile in tiles(app)} == {"red"}
    assert len(tiles(app)) == EACH
    chip(app, as_text("folder: red")).click().run()
    assert app.text_input(key="q").value == 'card "disc at" -blue'
    assert param(app, "q") == 'card "disc at" -blue'
    assert len(tiles(app)) == 60
    chip(app, as_text("-blue")).click().run()
    chip(app, as_text('"disc at"')).click().run()
    assert (param(app, "q"), chips(app)) == ("card", [])


def test_examples_lead_toward_and_away_and_are_remembered_in_the_url(app: AppTest) -> None:
    app.query_params["q"] = "card"
    app.run()
    some = tiles(app)
    red, other = (next(tile for tile in some if tile.startswith(colour)) for colour in ("red/red-", "green/"))
    app.button(key=f"toward-{red}").click().run()
    app.button(key=f"away-{other}").click().run()
    assert not app.exception
    assert (several(app, "like"), several(app, "not")) == ([red], [other])
    assert chips(app) == [as_text(f"+ {red[4:]}"), as_text(f"− {other[6:]}")]
    assert tiles(app)[0].startswith("red/")
    app.button(key=f"away-{red}").click().run()  # the other way round
    assert (several(app, "like"), several(app, "not")) == ([], [other, red])
    chip(app, as_text(f"− {red[4:]}")).click().run()
    assert several(app, "not") == [other]


def test_facets_narrow_with_counts(app: AppTest) -> None:
    app.query_params["q"] = "a card"
    app.run()
    button = app.button(key="facet-folder=green")
    assert button.label == f"green :gray[{EACH}]"
    button.click().run()
    assert not app.exception
    assert param(app, "q") == "a card folder=green"
    assert {tile.split("/")[0] for tile in tiles(app)} == {"green"}
    assert f"{EACH} images" in shown(app)
    assert "a card" in [heading.value for heading in app.title]


def test_the_chosen_folder_stays_among_the_facets_and_another_can_take_its_place(app: AppTest) -> None:
    app.query_params["q"] = "a card folder:green"
    app.run()
    assert app.button(key="facet-folder=green").proto.type == "primary"
    app.button(key="facet-folder=blue").click().run()
    assert param(app, "q") == "a card folder=blue"
    app.button(key="facet-folder=blue").click().run()  # once more: all again
    assert param(app, "q") == "a card"


def test_the_heading_says_how_many_match_of_how_many(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.run()
    told = next(str(one.value) for one in app.markdown if " ms]" in str(one.value))
    found = re.fullmatch(r":gray\[(\d+)\+? of (\d+) images · \d+ ms\]", told)
    assert found and int(found[2]) == COUNT and 0 < int(found[1]) < COUNT
    app.query_params["q"] = "folder:red"
    app.run()
    assert f":gray[{EACH + 1} images" in next(str(one.value) for one in app.markdown if " ms]" in str(one.value))


def test_words_that_look_like_a_condition_are_said_to_be_words(app: AppTest) -> None:
    app.query_params["q"] = "card foldr:green"
    app.run()
    assert not app.exception
    assert "“foldr:green” was searched as words" in shown(app).replace("\\", "")


def test_an_empty_result_says_what_to_change(app: AppTest) -> None:
    app.query_params["q"] = "card folder:green width>100000"
    app.run()
    assert not app.exception
    assert "No image meets both conditions" in shown(app)
    ways = {button.label: button for button in app.button if (button.key or "").startswith("way-")}
    assert list(ways) == [f"Without {as_text('width > 100000')} :gray[{EACH} images]"]  # the other way finds nothing
    app.button(key="way-0").click().run()
    assert param(app, "q") == "card folder=green"
    assert len(tiles(app)) == EACH


def test_results_in_the_order_of_their_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, year in enumerate(("2021", "2023", "", "2022")):
        exif = Image.Exif()
        if year:
            exif.get_ifd(0x8769)[0x9003] = f"{year}:01:01 10:00:00"
        Image.new("RGB", (60 + number, 40), COLOURS["red"]).save(tmp_path / f"{year or 'none'}.jpg", exif=exif)
    os.utime(tmp_path / "none.jpg", (1_640_000_000, 1_640_000_000))  # in 2021, after the one that was taken then
    index(tmp_path, model="toy")
    app = opened(tmp_path, monkeypatch)
    app.query_params.update({"plain": "1", "q": "red", "sort": "date"})
    app.run()
    assert not app.exception
    assert tiles(app) == ["2023.jpg", "2022.jpg", "none.jpg", "2021.jpg"]


def test_near_duplicates_take_one_place_and_are_shown_by_a_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    striped = Image.new("RGB", (320, 240), COLOURS["red"])
    for left in range(0, 320, 40):
        striped.paste(COLOURS["yellow"], (left, left // 2, left + 17, 200))
    striped.save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    striped.resize((200, 150)).save(tmp_path / "c.jpg", quality=70)
    paint(tmp_path / "d.png", "red", 1)
    index(tmp_path, model="toy")
    app = opened(tmp_path, monkeypatch)
    app.query_params["q"] = "red"
    app.run()
    assert sorted(tiles(app)) == ["a.png", "b.png", "c.jpg", "d.png"]
    app.radio(key="group").set_value("bytes").run()
    assert not app.exception
    assert param(app, "group") == "bytes"
    assert sorted(tiles(app)) == ["a.png", "c.jpg", "d.png"]
    app.radio(key="group").set_value("picture").run()
    leader = next(tile for tile in tiles(app) if tile != "d.png")
    assert len(tiles(app)) == 2
    assert app.button(key=f"unfold-{leader}").label == "+2"
    app.button(key=f"unfold-{leader}").click().run()
    assert (several(app, "open"), len(tiles(app))) == ([leader], 4)
    place = tiles(app).index(leader)
    assert {leader, *tiles(app)[place + 1 : place + 3]} == {"a.png", "b.png", "c.jpg"}
    app.button(key=f"unfold-{leader}").click().run()
    assert len(tiles(app)) == 2
    app.query_params["sort"] = "date"
    app.run()
    assert not app.exception
    assert len(tiles(app)) == 2
    app.query_params["group"] = "nonsense"
    app.run()
    assert len(tiles(app)) == 4


def test_small_things_are_looked_for_where_the_collection_knows_parts(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.query_params.update({"q": "red", "tiles": "1"})
    app.run()
    assert not app.exception
    assert "tiles" not in [one.key for one in app.toggle]  # these images were indexed as wholes
    small = Image.new("RGB", (400, 400), (250, 250, 250))
    small.paste(COLOURS["red"], (0, 0, 190, 190))
    small.save(tmp_path / "small.png")
    index(tmp_path, model="toy", tiles=True)
    app = opened(tmp_path, monkeypatch)
    app.query_params.update({"q": "red", "plain": "", "item": "small.png"})
    app.run()
    assert component(app, "clipdex_picture")["found"] is None
    app.toggle(key="tiles").set_value(True).run()
    assert not app.exception
    assert param(app, "tiles") == "1"
    app.query_params["item"] = "small.png"
    app.run()
    left, top, right, bottom = component(app, "clipdex_picture")["found"]
    assert (left, top) == (0, 0)
    assert right < 0.8
    assert bottom < 0.8


def test_several_collections_are_switched_in_the_url(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "cards" / "a.png", "red", 1)
    index(tmp_path / "cards", model="toy")
    app = opened(collection, monkeypatch)
    monkeypatch.setenv("CLIPDEX_COLLECTION", json.dumps([str(collection), str(tmp_path / "cards")]))
    app.run()
    assert f"{COUNT} images" in shown(app)
    app.selectbox(key="collection").select(tmp_path / "cards").run()
    assert not app.exception
    assert "1 image, found" in shown(app)
    assert param(app, "c") == searchers.key(tmp_path / "cards")
    app.text_input(key="q").set_value("red").run()
    assert tiles(app) == ["a.png"]
    app.query_params["c"] = "../../etc"
    app.run()
    assert tiles(app) == [] and "That collection is not open here" in shown(app)


def test_collections_of_the_same_name_are_told_apart() -> None:
    places = [Path("/a/photos"), Path("/b/photos"), Path("/b/scans")]
    assert list(labels(places).values()) == ["a/photos", "b/photos", "scans"]
    assert list(labels([Path("/"), Path("/x")]).values()) == ["/", "x"]


def test_the_heat_says_why_a_picture_matched(app: AppTest) -> None:
    app.query_params["q"] = "white"
    app.query_params["item"] = "red/red-03.png"
    app.run()
    assert "lowers the score" not in shown(app)
    app.toggle(key="viewer-why").set_value(True).run()
    assert not app.exception
    assert "Covering the brightest part lowers the score by 0" in shown(app)


def test_the_score_of_each_part_of_the_query_is_told(app: AppTest) -> None:
    app.query_params["q"] = "red"
    app.query_params["like"] = "red/red-03.png"
    app.query_params["item"] = "red/red-03.png"
    app.run()
    assert not app.exception
    told = next(caption.value for caption in app.caption if "like red" in caption.value.replace("\\", ""))
    assert told.replace("\\", "").splitlines()[1].strip() == "like red/red-03.png: 1.000"
    assert "folder: red" in shown(app).replace("\\", "")


def test_a_part_of_a_picture_is_looked_for(app: AppTest) -> None:
    app.query_params["part"] = "0.000,0.000,0.050,0.050,blue/blue-01.png"
    app.run()
    assert not app.exception
    assert "Similar to a part of blue\\-01\\.png" in shown(app)
    assert tiles(app)[0].startswith("blue/")
    chip(app, as_text("a part of blue-01.png")).click().run()
    assert "What are you looking for?" in shown(app)


@pytest.mark.parametrize(
    "part",
    [
        "",
        "x",
        "0,0,1,blue/blue-01.png",
        "a,b,c,d,blue/blue-01.png",
        "0,0,2,2,blue/blue-01.png",
        "1,1,0,0,blue/blue-01.png",
        "nan,0,1,1,blue/blue-01.png",
        "0,0,1,1,../secret",
    ],
)
def test_a_wrong_part_in_the_url_does_no_harm(app: AppTest, part: str) -> None:
    app.query_params["part"] = part
    app.run()
    assert not app.exception
