"""Can the app be used with a finger, and is it seen where the keyboard is?"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.app.chromium import PATIENCE, eventually, tiles
from tests.app.conftest import Server
from tests.gallery import settled

TELEPHONE: ViewportSize = {"width": 400, "height": 900}
LEAST_TARGET = 24  # pixels, WCAG 2.5.8
MOST_STOPS = 40
# Every element, also those of components.
ALL = """const all = (root) => [...root.querySelectorAll("*")].flatMap(
  (one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);"""
# Controls that are seen and narrower or lower than `least`; Streamlit's boxes to tick have a label around them.
SMALL = (
    f"least => {{ {ALL}"
    + """
  const seen = all(document.body)
    .filter((one) => one.matches("a, button, input, summary") && one.tabIndex >= 0 && !one.closest("p, label"))
    .map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width > 1 && box.height > 1);
  const small = seen.filter(([, box]) => box.width < least || box.height < least);
  return [seen.length, small.map(([one, box]) =>
    `${one.getAttribute("aria-label") ?? one.textContent}: ${box.width} x ${box.height}`)];
}"""
)
# Remembers how everything looks that could get the focus; `focusSeen` tells what has it, and whether that can be seen.
WATCH = (
    f"() => {{ {ALL}"
    + """
  const sign = (element) => {
    const seen = [];
    for (let one = element, step = 0; one && step < 5; one = one.parentElement ?? one.getRootNode().host, step++) {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor } = getComputedStyle(one);
      seen.push(outlineStyle === "none" ? "" : outlineWidth + outlineColor, boxShadow, borderColor);
    }
    return seen.join();
  };
  const before = new Map(all(document.body).map((one) => [one, sign(one)]));
  let came = null;  // what was not there before is compared with how it looks when the focus is elsewhere
  const until = async (isTrue) => {
    for (let frame = 0; frame < 60 && !isTrue(); frame++) await new Promise(requestAnimationFrame);
    return isTrue();
  };
  const focused = () => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at;
  };
  const named = (at) => `${at.tagName} ${at.getAttribute("aria-label") ?? at.textContent.slice(0, 40)}`;
  window.focusName = () => named(focused());
  window.focusSeen = async () => {
    const at = focused(), name = named(at), wrong = [];
    if (came && !(await until(() => sign(came.element) !== came.sign))) wrong.push(came.name);
    came = before.has(at) ? null : { element: at, sign: sign(at), name };
    if (!came && !(await until(() => sign(at) !== before.get(at)))) wrong.push(name);
    return [name, wrong];
  };
}"""
)

pytestmark = pytest.mark.browser


def test_the_focus_is_seen_wherever_the_tab_key_leads(page: Page, server: Server) -> None:
    settled(page, f"{server.url}/?q=red")
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    page.evaluate(WATCH)
    names, unseen = [], []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        name, wrong = page.evaluate("focusSeen()")
        if name.startswith("BODY"):  # behind the last one
            break
        names.append(name)
        unseen += wrong
    assert unseen == []
    assert len(names) > 18
    said = "; ".join(names)
    for one in ("A Library", "INPUT", "Filter", "Group", "Square tiles", "Size of the images", "Find similar"):
        assert one in said, said


def test_the_tab_key_reaches_the_buttons_below_a_large_picture_and_leaves_them(page: Page, server: Server) -> None:
    settled(page, f"{server.url}/?q=red&item=red/red-01.png")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Copy path")).to_be_visible(timeout=PATIENCE)
    page.evaluate(WATCH)
    dialog.get_by_role("button", name="Close").focus()
    for key, wanted in (("Tab", "Smaller"), ("Tab", "100 %"), ("Shift+Tab", "Smaller"), ("Shift+Tab", "Close")):
        page.keyboard.press(key)
        expect_focus(page, f"BUTTON {wanted}")
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        name, unseen = page.evaluate("focusSeen()")
        names.append(name)
        assert unseen == []
    assert names[4] == "BUTTON Copy path"
    assert "Previous" in names[5] or "Next" in names[5]
    page.keyboard.press("Shift+Tab")
    expect_focus(page, "BUTTON Copy path")


def expect_focus(page: Page, wanted: str) -> None:
    """Wait until something has the focus; it must be seen there."""
    eventually(page, lambda: page.evaluate("focusName()"), lambda name: name == wanted)
    assert page.evaluate("focusSeen()") == [wanted, []]


def test_what_a_finger_touches_is_large_enough(browser: Browser, server: Server) -> None:
    """Each control of a page at 400 pixels, but links within a sentence."""
    context = browser.new_context(viewport=TELEPHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    small = []
    for address in ("/?q=red card&group=scene", "/duplicates", "/library"):
        settled(page, server.url + address)
        seen, found = page.evaluate(SMALL, LEAST_TARGET)
        assert seen
        small += found
    context.close()
    assert small == []
