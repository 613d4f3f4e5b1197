// Renders hits as tiles. Receives {items, open, scores, line, more, below, tiles, question, emptied}: an item is {id, thumb,
// path, rank, score, relevance, caption, name, ratio, copies, unfolded, copy}; the tile number `line` is the first below the
// line where relevance ends; `more` says that there are more hits than these; `tiles` is where blurred images and missing
// files are asked for. Reports "opened", "similar", "toward", "away", "unfolded" with ids, and "more"; the state
// "selection" is the ids that are selected, and another `emptied` makes it `selects`. Every text goes in as text, never as HTML.
// Only tiles in and near the window exist; `grid_layout.js` says where each one lies, `grid_pictures.js` brings the images.

const icon = (paths) => `<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;
const ICONS = {
  similar: icon('<rect x="8" y="8" width="13" height="13" rx="3"/><path d="M16 4.5A2.5 2.5 0 0 0 13.5 3h-8A2.5 2.5 0 0 0 3 5.5v8A2.5 2.5 0 0 0 4.5 16"/>'),
  toward: icon('<path d="M12 5v14M5 12h14"/>'),
  away: icon('<path d="M5 12h14"/>'),
  copy: icon('<path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7L12 7"/><path d="M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7L12 17"/>'),
};
const ACTIONS = [
  ["similar", "Find similar", "s"],
  ["toward", "More like this", "+"],
  ["away", "Less like this", "-"],
  ["copy", "Copy path", "c"],
];
const BELOW = "Relevance, from 0 to 1, says how clearly an image fits, compared with how well words that mean nothing "
  + "fit in this collection. Images below 0.5 stand here; they may still be what you look for.";
const SAME = "clipdex-same";  // on the page while it runs again for the same answer: it need not fade
const LAYOUT = "clipdex-layout", SIZE = "clipdex-size";
const AT_ONCE = 60, HAND_REST = 250;
const ASK_AFTER = 700;  // milliseconds: the images of a near server are there by then, and soft ones cost it work
const FIRST = 60;  // tiles that exist as long as the top of the results is near
const AROUND = 1.6, MORE_AHEAD = 2500;  // windows above and below in which tiles exist; pixels before the end to ask for more
const MORE_AFTER = 1200;  // milliseconds in which all images have come

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function remembered(name, otherwise) {
  try { return localStorage.getItem(name) ?? otherwise; } catch { return otherwise; }
}

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ }
}

// --- one tile --------------------------------------------------------------------------------------------------------

function makeTile(item) {
  const tile = element("li", "tile");
  tile.dataset.id = item.id;
  const look = element("button", "look");
  look.tabIndex = -1;
  look.append(element("img", ""));
  const pick = element("button", "pick");
  pick.tabIndex = -1;
  pick.title = "Select (space)";
  pick.innerHTML = icon('<path d="m5 12 5 5 9-10"/>');
  const tag = element("div", "tag");
  tag.setAttribute("aria-hidden", "true");  // the name of the button says it all
  tile.append(look, pick, tag);
  return tile;
}

function isDrawn(tile) { return tile.querySelector("img").classList.contains("ready"); }

function note(tile, text) {
  tile.querySelector(".gone")?.remove();
  tile.classList.toggle("missing", Boolean(text));
  if (text) tile.querySelector(".look").append(element("div", "gone", text));
}

function placeOf(item) {
  return `Rank ${item.rank}, score ${item.score}${item.relevance ? `, relevance ${item.relevance}` : ""}`;
}

function describe(tile, item, scores) {
  const named = item.caption || item.name;
  // The address changes with the image, also while its tile is on the screen.
  if (tile.dataset.thumb !== item.thumb) note(tile, "");
  tile.querySelector("img").alt = named;
  bring(tile, item.thumb, () => { tile.querySelector("img").hidden = true; note(tile, "This image cannot be shown"); });
  const count = item.copies ? `. ${item.copies} more like it` : item.copy ? ". Of the same group" : "";
  const place = scores ? `. ${placeOf(item)}` : "";
  tile.querySelector(".look").setAttribute("aria-label", named + place + count);
  tile.querySelector(".pick").setAttribute("aria-label", `Select: ${named}`);
  const tag = tile.querySelector(".tag");
  tag.hidden = !scores;
  tag.title = placeOf(item);
  tag.replaceChildren(element("b", "", String(item.rank)), document.createTextNode(item.score));
  tile.classList.toggle("unfolded", item.unfolded);
  tile.classList.toggle("copy", item.copy);
  tile.querySelector(".count")?.remove();
  if (item.copies) tile.append(countOf(item, named));
}

// How many images stand behind this one; a click shows them, and hides them again.
function countOf(item, named) {
  const button = element("button", "count", item.unfolded ? "−" : `+${item.copies}`);
  button.dataset.act = "unfolded";
  button.tabIndex = -1;
  button.title = `${item.unfolded ? "Hide" : "Show"} ${item.copies} near-duplicate${item.copies > 1 ? "s" : ""} (g)`;
  button.setAttribute("aria-label", `${button.title.slice(0, -4)} of ${named}`);
  button.setAttribute("aria-expanded", String(item.unfolded));
  return button;
}

// --- the grid --------------------------------------------------------------------------------------------------------

class Grid {
  constructor(root) {
    this.root = root;
    this.grid = root.querySelector(".grid");
    this.items = new Map();
    this.made = new Map();  // the tiles that exist, by id
    this.known = new Map();  // what the server told of tiles
    this.selected = new Set();
    this.told = "[]";
    this.anchor = null;
    this.current = null;  // the id that the keyboard is at
    this.waiting = new Set();
    this.makeActions();
    this.makeBar();
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    for (const kind of ["pointerover", "focusin"]) {
      this.grid.addEventListener(kind, (event) => this.hovered(event.target.closest?.(".tile")));
    }
    this.grid.addEventListener("focusin", (event) => {
      const id = event.target.closest?.(".tile")?.dataset.id;
      if (id !== undefined) { this.current = id; this.roam(); }
    });
    // Whatever scrolls, the window or something between it and the grid.
    this.over = new AbortController();
    const always = { capture: true, passive: true, signal: this.over.signal };
    document.addEventListener("scroll", () => this.soon(), always);
    this.give = () => {};
    for (const kind of ["pointerdown", "focusin"])
      document.addEventListener(kind, (event) => { if (!event.composedPath().includes(this.grid)) this.give(); }, always);
    new ResizeObserver(() => { this.arrange(); this.draw(); }).observe(this.grid);
  }

  soon() {
    if (!this.grid.isConnected) return this.over.abort();  // of a page that was left: nothing may hold it
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  show(data, report, tell) {
    document.body.classList.remove(SAME);
    this.report = (name, value) => {
      document.body.classList.toggle(SAME, name in { more: 1, opened: 1, unfolded: 1 });
      report(name, value);
    };
    this.tell = (name, value) => { document.body.classList.add(SAME); tell(name, value); };
    this.data = data;
    if (this.emptied !== data.emptied) this.selected = new Set(data.selects);
    this.emptied = data.emptied;
    this.items = new Map(data.items.map((item) => [item.id, item]));
    this.list = [...this.items.values()];
    this.places = new Map(this.list.map((item, place) => [item.id, place]));
    for (const id of [...this.selected]) if (!this.items.has(id)) this.selected.delete(id);
    if (data.question !== this.question) {
      this.unfolded = !data.folds;
      this.rest(data.question);
    }
    this.question = this.grid.dataset.question = data.question;
    const focused = this.isFocused();
    for (const [id, tile] of this.made) if (this.items.has(id)) describe(tile, this.items.get(id), data.scores);
    this.makeLine();
    this.bar.hidden = !data.scores;
    this.arrange();
    this.draw();
    if (focused && !this.isFocused()) this.focus(this.places.get(this.current) ?? 0);
    this.mark();
  }

  // What lies below is asked for when all that is seen has come and nothing else was asked.
  rest(question) {
    setTimeout(() => {
      if (question !== this.question) return;
      if (coming.size) { this.rest(question); return; }
      this.rested = question;
      this.soon();
    }, MORE_AFTER);
  }

  isFocused() { return this.grid.contains(this.grid.getRootNode().activeElement); }

  // --- where everything lies, and which of it exists

  arrange() {
    if (!this.data) return;
    const width = this.grid.clientWidth;
    if (!width) return;
    const { line } = this.data;
    this.layout = arrange(this.list.map((item) => item.ratio), {
      ...measures(this.size, window.innerWidth), width, line, squares: this.squares,
      folded: Boolean(line) && !this.unfolded,
    });
    this.grid.style.height = `${this.layout.height}px`;
    this.grid.dataset.count = this.layout.boxes.length;
    if (this.line) this.line.style.top = `${this.layout.lineTop}px`;
  }

  draw() {
    if (!this.layout) return;
    const box = this.grid.getBoundingClientRect(), high = window.innerHeight;
    if (!box.width) return;
    const top = -box.top - AROUND * high, bottom = -box.top + (1 + AROUND) * high;
    let [from, to] = between(this.layout.boxes, top, bottom);
    if (-box.top < high) to = Math.max(to, Math.min(FIRST, this.layout.boxes.length));
    const places = new Set(Array.from({ length: Math.max(0, to - from) }, (_, step) => from + step));
    const kept = this.places.get(this.current);  // what has the focus does not vanish
    if (kept !== undefined && kept < this.layout.boxes.length) places.add(kept);
    this.place([...places].sort((one, other) => one - other));
    // The images that are seen at once come first: what lies below is asked for a moment later, or when one scrolls.
    if (-box.top > high / 4) this.rested = this.question;
    if (this.data.more && box.bottom < high + (this.rested === this.question ? MORE_AHEAD : 0)) this.wantMore();
  }

  // Only what changed is touched; the elements stand in the order of the hits.
  place(places) {
    const wanted = new Set(places.map((place) => this.list[place].id));
    for (const [id, tile] of this.made) if (!wanted.has(id)) { tile.remove(); leave(tile); this.made.delete(id); }
    let before = null;
    for (const place of places) {
      const item = this.list[place];
      let tile = this.made.get(item.id);
      if (!tile) {
        tile = makeTile(item);
        describe(tile, item, this.data.scores);
        this.made.set(item.id, tile);
        this.markOne(tile);
        this.came(tile);
      }
      const { left, top, width, height } = this.layout.boxes[place];
      Object.assign(tile.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      tile.setAttribute("aria-setsize", this.data.more ? -1 : this.layout.boxes.length);
      tile.setAttribute("aria-posinset", place + 1);
      tile.classList.toggle("open", item.id === this.data.open);
      tile.classList.toggle("below", Boolean(this.data.line) && place >= this.data.line);
      const next = before ? before.nextSibling : this.grid.firstChild;
      if (tile !== next) this.grid.insertBefore(tile, next);
      before = tile;
      if (place === this.data.line - 1 || (this.data.line === 0 && before === tile && place === 0)) before = this.placeLine(tile, place);
    }
    this.roam();
  }

  // The line stands between the tiles for screen readers and the Tab key, too.
  placeLine(tile, place) {
    if (!this.line) return tile;
    if (place === 0 && this.data.line === 0) { this.grid.insertBefore(this.line, tile); return tile; }
    if (tile.nextSibling !== this.line) this.grid.insertBefore(this.line, tile.nextSibling);
    return this.line;
  }

  makeLine() {
    const { line, items, more } = this.data;
    this.line?.remove();
    this.line = null;
    if (line === null) return;
    this.line = element("li", "line");
    if (line === 0) {
      this.line.append(element("span", "", "Nothing here clearly matches; these are the best guesses"));
    } else {
      const count = `${(more ? this.data.below : items.length - line).toLocaleString()} more`;
      const button = element("button", "", `${count} that match less clearly${this.unfolded ? "" : " · show them"}`);
      button.title = BELOW;
      button.setAttribute("aria-expanded", String(Boolean(this.unfolded)));
      button.addEventListener("click", () => {
        this.unfolded = !this.unfolded;
        this.makeLine();
        this.arrange();
        this.draw();
        this.line.querySelector("button").focus({ preventScroll: true });
      });
      this.line.append(button);
    }
    this.grid.append(this.line);
  }

  wantMore() {
    if (this.asked === `${this.question} ${this.items.size}`) return;
    if (this.data.line && !this.unfolded) return;
    if (this.data.open) return;  // Streamlit would close the large image for a moment and open it anew
    this.asked = `${this.question} ${this.items.size}`;
    this.report("more", this.items.size);
  }

  // --- what only the server knows: how an image looks from afar, and whether its file is still there

  came(tile) {
    const known = this.known.get(this.items.get(tile.dataset.id)?.thumb);
    if (known) return this.tellTile(tile, known);
    this.waiting.add(tile);
    this.timer ??= setTimeout(() => this.ask(), ASK_AFTER);
  }

  tellTile(tile, known) {
    if (known.blur && !isDrawn(tile)) {
      tile.style.backgroundImage = `url(${known.blur})`;
      tile.classList.add("soft");
    }
    if (known.gone) note(tile, "The file is no longer there");
  }

  async ask() {
    this.timer = null;
    const tiles = [...this.waiting].filter((tile) => tile.isConnected).slice(0, AT_ONCE);
    for (const tile of this.waiting) if (tiles.includes(tile) || !tile.isConnected) this.waiting.delete(tile);
    if (this.waiting.size) this.timer = setTimeout(() => this.ask(), ASK_AFTER);
    if (!tiles.length) return;
    // Only what is in the window and has no image yet needs a soft one.
    const end = window.innerHeight - this.grid.getBoundingClientRect().top;
    const isBare = (tile) => !isDrawn(tile) && this.layout.boxes[this.places.get(tile.dataset.id)]?.top < end;
    tiles.sort((one, other) => isBare(other) - isBare(one));
    const soft = tiles.filter(isBare).length;
    try {
      const answer = await fetch(`${this.data.tiles}?soft=${soft}`, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(tiles.map((tile) => tile.dataset.id)),
      });
      const told = answer.ok ? await answer.json() : {};
      for (const tile of tiles) {
        const one = told[tile.dataset.id];
        if (!one) continue;
        this.known.set(this.items.get(tile.dataset.id)?.thumb, one);
        this.tellTile(tile, one);
      }
    } catch { /* the server is busy or gone; the images say so themselves */ }
  }

  // --- actions on a tile

  // They stand on one tile at a time, the one under the hand, with its caption.
  makeActions() {
    this.foot = element("div", "foot");
    this.foot.setAttribute("aria-hidden", "true");
    this.foot.append(element("span", ""));
    this.actions = element("div", "actions");
    for (const [name, title, key] of ACTIONS) {
      const button = element("button", name);
      button.innerHTML = ICONS[name];
      button.title = `${title} (${key})`;
      button.dataset.act = name;
      this.actions.append(button);
    }
  }

  hovered(tile) {
    if (!tile || this.actions.parentElement === tile) return;
    const named = this.items.get(tile.dataset.id);
    for (const [name, title] of ACTIONS) {
      this.actions.querySelector(`.${name}`).setAttribute("aria-label", `${title}: ${named?.caption || named?.name || ""}`);
    }
    this.foot.firstChild.textContent = named?.caption || named?.name || "";
    tile.append(this.foot, this.actions);
  }

  act(name, ids) {
    if (!ids.length) return;
    if (name === "copy") return this.copy(ids);
    if (name === "unfolded") return this.report(name, ids[0]);
    this.report(name, name === "similar" ? ids[0] : ids);
    this.select([]);
  }

  async copy(ids) {
    const text = ids.map((id) => this.items.get(id)?.path ?? id).join("\n");
    try { await navigator.clipboard.writeText(text); }
    catch {
      const area = element("textarea", "hidden", text);  // a page that came over plain HTTP may not use the clipboard
      document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    this.say(ids.length === 1 ? "Path copied" : `${ids.length} paths copied`);
  }

  say(text) {
    this.status.textContent = text;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.status.textContent = ""; }, 2500);
  }

  // --- selection

  clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const act = event.target.closest("[data-act]");
    if (act) return this.act(act.dataset.act, [tile.dataset.id]);
    const picks = event.target.closest(".pick") || event.ctrlKey || event.metaKey;
    if (event.shiftKey) return this.reach(tile.dataset.id);
    if (picks || this.selected.size) return this.toggle(tile.dataset.id);
    if (event.target.closest(".look, .tag")) this.report("opened", tile.dataset.id);
  }

  toggle(id) {
    if (!this.selected.delete(id)) this.selected.add(id);
    this.anchor = id;
    this.mark();
  }

  shownIds() { return this.list.slice(0, this.layout.boxes.length).map((item) => item.id); }

  // From the tile that was selected last to this one.
  reach(id) {
    const ids = this.shownIds();
    const from = Math.max(0, ids.indexOf(this.anchor)), to = ids.indexOf(id);
    for (const one of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) this.selected.add(one);
    this.anchor ??= ids[from];
    this.mark();
  }

  select(ids) { this.selected = new Set(ids); this.mark(); }

  markOne(tile) {
    const on = this.selected.has(tile.dataset.id);
    tile.classList.toggle("selected", on);
    tile.querySelector(".pick").setAttribute("aria-pressed", String(on));
  }

  mark() {
    for (const tile of this.made.values()) this.markOne(tile);
    const count = this.selected.size;
    this.grid.classList.toggle("selecting", count > 0);
    this.chosen.hidden = count === 0;
    this.chosen.classList.toggle("quiet", Boolean(this.data?.curated)); // the page has a bar of its own
    this.chosen.querySelector("b").textContent = `${count.toLocaleString()} selected`;
    this.hand();
  }

  // Python is told once the hand rests, or turns to something else: what is pressed next is meant for this selection.
  hand() {
    const ids = [...this.selected], told = JSON.stringify(ids);
    if (told === this.told) return;
    this.told = told;
    clearTimeout(this.handing);
    this.give = () => {
      clearTimeout(this.handing);
      this.give = () => {};
      this.tell("selection", ids);
    };
    this.handing = setTimeout(() => this.give(), HAND_REST);
  }

  // --- keyboard

  // To the tile of a number, which comes into being if it is far away.
  focus(place) {
    if (place === undefined || !this.layout?.boxes[place]) return;
    this.current = this.list[place].id;
    this.draw();
    const look = this.made.get(this.current).querySelector(".look");
    look.focus({ preventScroll: true });
    look.scrollIntoView({ block: "nearest" });
  }

  // Tab stops once in the grid; arrow keys walk inside it.
  roam() {
    const at = this.made.get(this.current) ?? this.grid.querySelector(".tile");
    for (const one of this.grid.querySelectorAll('.look[tabindex="0"]')) one.tabIndex = -1;
    if (at) at.querySelector(".look").tabIndex = 0;
  }

  pressed(event) {
    const tile = event.target.closest?.(".tile");
    if (!tile) return;
    const id = tile.dataset.id;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      this.select(this.shownIds());
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.key === " " && event.target.closest(".look, .pick")) {
      this.toggle(id);
    } else if (event.key === "Escape" && this.selected.size) {
      this.select([]);
    } else if (event.key === "g" && this.items.get(id)?.copies) {
      this.act("unfolded", [id]);
    } else if (ACTIONS.some(([, , key]) => key === event.key)) {
      const [name] = ACTIONS.find(([, , key]) => key === event.key);
      this.act(name, this.selected.size && name !== "similar" ? [...this.selected] : [id]);
    } else {
      const next = neighbour(this.layout.boxes, this.places.get(id), event.key);
      if (next === undefined) return;
      if (event.shiftKey) { this.anchor ??= id; this.reach(this.list[next].id); }
      this.focus(next);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // --- the bar above: what is selected, the layout, the size

  makeBar() {
    this.bar = this.root.querySelector(".bar");
    this.chosen = this.bar.querySelector(".chosen");
    this.status = this.bar.querySelector(".status");
    for (const [name, title] of ACTIONS.slice(1)) {
      const button = element("button", "", name === "copy" ? "Copy paths" : title.replace("this", "these"));
      button.addEventListener("click", () => this.act(name, [...this.selected]));
      this.chosen.append(button);
    }
    const none = element("button", "", "Deselect");
    none.addEventListener("click", () => this.select([]));
    this.chosen.append(none);
    const size = this.bar.querySelector(".size");
    size.value = remembered(SIZE, "3");
    const square = this.bar.querySelector(".square");
    const use = () => {
      this.size = size.value;
      this.squares = square.getAttribute("aria-pressed") === "true";
      this.arrange();
      this.draw();
    };
    square.setAttribute("aria-pressed", String(remembered(LAYOUT, "rows") === "squares"));
    square.addEventListener("click", () => {
      const on = square.getAttribute("aria-pressed") !== "true";
      square.setAttribute("aria-pressed", String(on));
      remember(LAYOUT, on ? "squares" : "rows");
      use();
    });
    size.addEventListener("input", () => { remember(SIZE, size.value); use(); });
    use();
  }
}

const grids = new WeakMap();

export default function ({ parentElement, data, setTriggerValue, setStateValue }) {
  if (!grids.has(parentElement)) grids.set(parentElement, new Grid(parentElement));
  grids.get(parentElement).show(data, setTriggerValue, setStateValue);
}
