// Renders hits as rows of tiles. Receives {items, open, scores, line, more, tiles}: an item is {id, thumb, path, rank,
// score, match, caption, name, ratio, count}; the tile number `line` is the first below the line where relevance ends;
// `more` says that there are more hits than these; `tiles` is where blurred pictures and missing files are asked for.
// Reports "opened", "similar", "toward", "away" with ids, and "more"; the state "selection" is the ids
// that are selected, and another `emptied` empties it. Every text goes in as text, never as HTML.
// Tiles that stay keep their element, so that more results neither reload nor move what is seen already.

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
const LAYOUT = "clipdex-layout", SIZE = "clipdex-size";
const AT_ONCE = 60, HAND_REST = 250;

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
  const image = element("img", "");
  image.decoding = "async";
  image.addEventListener("load", () => image.classList.add("ready"));
  image.addEventListener("error", () => { image.hidden = true; note(tile, "This picture cannot be shown"); });
  look.append(image);
  const pick = element("button", "pick");
  pick.tabIndex = -1;
  pick.title = "Select (space)";
  pick.innerHTML = icon('<path d="m5 12 5 5 9-10"/>');
  const foot = element("div", "foot");
  foot.append(element("span", "", item.caption || item.name));
  tile.append(look, pick, foot, element("div", "tag"));
  return tile;
}

function note(tile, text) {
  tile.querySelector(".gone")?.remove();
  tile.classList.toggle("missing", Boolean(text));
  if (text) tile.querySelector(".look").append(element("div", "gone", text));
}

function describe(tile, item, scores) {
  tile.style.setProperty("--ratio", item.ratio);
  const named = item.caption || item.name;
  const image = tile.querySelector("img");
  image.alt = named;
  // The address changes with the picture, also while its tile is on the screen.
  if (image.getAttribute("src") !== item.thumb) {
    image.loading = item.rank > EAGER ? "lazy" : "eager";
    image.hidden = false;
    note(tile, "");
    image.src = item.thumb;
  }
  const count = item.count > 1 ? `. ${item.count} near-duplicates` : "";
  const place = scores ? `. Rank ${item.rank}, score ${item.score}${item.match ? `, match ${item.match}` : ""}` : "";
  tile.querySelector(".look").setAttribute("aria-label", named + place + count);
  tile.querySelector(".pick").setAttribute("aria-label", `Select: ${named}`);
  const tag = tile.querySelector(".tag");
  tag.hidden = !scores;
  tag.title = item.match ? `Rank ${item.rank}, cosine ${item.score}, relevance ${item.match}` : `Rank ${item.rank}, cosine ${item.score}`;
  tag.replaceChildren(element("b", "", String(item.rank)), document.createTextNode(item.score));
  tile.querySelector(".count")?.remove();
  if (item.count > 1) tile.append(element("div", "count", `×${item.count}`));
}

// --- the grid --------------------------------------------------------------------------------------------------------

class Grid {
  constructor(root) {
    this.root = root;
    this.grid = root.querySelector(".grid");
    this.items = new Map();
    this.selected = new Set();
    this.told = "[]";
    this.anchor = null;
    this.waiting = new Set();
    this.makeActions();
    this.makeBar();
    this.grid.addEventListener("click", (event) => this.clicked(event));
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    for (const kind of ["pointerover", "focusin"]) {
      this.grid.addEventListener(kind, (event) => this.hovered(event.target.closest?.(".tile")));
    }
    this.seen = new IntersectionObserver((entries) => this.came(entries), { rootMargin: "900px 0px", scrollMargin: "900px 0px" });
    this.end = element("li", "end");
    this.end.setAttribute("aria-hidden", "true");
    new IntersectionObserver((entries) => entries[0].isIntersecting && this.wantMore(), {
      rootMargin: "2500px 0px", scrollMargin: "2500px 0px",
    }).observe(this.end);
  }

  tiles() { return [...this.grid.querySelectorAll(".tile")].filter((tile) => !this.isFolded(tile)); }
  isFolded(tile) { return tile.classList.contains("below") && !this.grid.classList.contains("unfolded"); }

  show(data, report, tell) {
    this.report = report;
    this.tell = tell;
    this.data = data;
    if (this.emptied !== undefined && this.emptied !== data.emptied) this.selected.clear();
    this.emptied = data.emptied;
    this.items = new Map(data.items.map((item) => [item.id, item]));
    for (const id of [...this.selected]) if (!this.items.has(id)) this.selected.delete(id);
    const focused = this.grid.contains(this.root.activeElement ?? this.grid.getRootNode().activeElement);
    const kept = new Map([...this.grid.querySelectorAll(".tile")].map((tile) => [tile.dataset.id, tile]));
    const made = data.items.map((item, at) => {
      const tile = kept.get(item.id) ?? makeTile(item);
      describe(tile, item, data.scores);
      tile.classList.toggle("open", item.id === data.open);
      tile.classList.toggle("below", Boolean(data.line) && at >= data.line);
      if (!kept.has(item.id)) this.seen.observe(tile);
      return tile;
    });
    if (data.line !== null) {
      const rest = element("li", "rest");  // takes the room that the row before the line leaves
      rest.setAttribute("aria-hidden", "true");
      made.splice(data.line, 0, rest, this.makeLine(data));
    }
    const question = data.question !== this.question;
    this.question = this.grid.dataset.question = data.question;
    if (question) this.grid.classList.remove("unfolded");
    this.place([...made, this.end]);
    this.end.hidden = !data.more;
    if (focused && !this.grid.getRootNode().activeElement) this.focus(this.tiles()[0]);
    this.roam();
    this.mark();
    this.bar.hidden = !data.scores;
  }

  // Only what changed its place is touched.
  place(wanted) {
    const keep = new Set(wanted);
    for (const child of [...this.grid.children]) if (!keep.has(child)) child.remove();
    wanted.forEach((child, at) => {
      if (this.grid.children[at] !== child) this.grid.insertBefore(child, this.grid.children[at] ?? null);
    });
  }

  makeLine(data) {
    const line = element("li", "line");
    if (data.line === 0) {
      line.append(element("span", "", "Nothing here clearly matches; these are the best guesses"));
      return line;
    }
    const below = data.items.length - data.line;
    const count = data.more ? `${data.below.toLocaleString()} more` : `${below.toLocaleString()} more`;
    const button = element("button", "");
    const say = () => {
      const open = this.grid.classList.contains("unfolded");
      button.textContent = open ? `Below the line: ${count}` : `${count} below the line · show them`;
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => { this.grid.classList.toggle("unfolded"); say(); this.roam(); });
    say();
    queueMicrotask(say);
    line.append(button);
    return line;
  }

  wantMore() {
    if (!this.data?.more || this.asked === `${this.question} ${this.items.size}`) return;
    if (this.data.line && !this.grid.classList.contains("unfolded")) return;
    this.asked = `${this.question} ${this.items.size}`;
    this.report("more", this.items.size);
  }

  // --- what only the server knows: how a picture looks from afar, and whether its file is still there

  came(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.seen.unobserve(target);
      this.waiting.add(target);
    }
    if (this.waiting.size && !this.timer) this.timer = setTimeout(() => this.ask(), 30);
  }

  async ask() {
    this.timer = null;
    const tiles = [...this.waiting].slice(0, AT_ONCE);
    for (const tile of tiles) this.waiting.delete(tile);
    if (this.waiting.size) this.timer = setTimeout(() => this.ask(), 30);
    try {
      const answer = await fetch(this.data.tiles, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(tiles.map((tile) => tile.dataset.id)),
      });
      const told = answer.ok ? await answer.json() : {};
      for (const tile of tiles) {
        const one = told[tile.dataset.id];
        if (!one) continue;
        if (!tile.querySelector("img").classList.contains("ready")) tile.style.backgroundImage = `url(${one.blur})`;
        if (one.gone) note(tile, "The file is no longer there");
      }
    } catch { /* the server is busy or gone; the pictures say so themselves */ }
  }

  // --- actions on a tile

  makeActions() {
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
    tile.append(this.actions);
  }

  act(name, ids) {
    if (!ids.length) return;
    if (name === "copy") return this.copy(ids);
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
    if (event.shiftKey) return this.reach(tile);
    if (picks || this.selected.size) return this.toggle(tile);
    if (event.target.closest(".look")) this.report("opened", tile.dataset.id);
  }

  toggle(tile) {
    const id = tile.dataset.id;
    if (!this.selected.delete(id)) this.selected.add(id);
    this.anchor = id;
    this.mark();
  }

  // From the tile that was selected last to this one.
  reach(tile) {
    const ids = this.tiles().map((one) => one.dataset.id);
    const from = Math.max(0, ids.indexOf(this.anchor)), to = ids.indexOf(tile.dataset.id);
    for (const id of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) this.selected.add(id);
    this.anchor ??= ids[from];
    this.mark();
  }

  select(ids) { this.selected = new Set(ids); this.mark(); }

  mark() {
    for (const tile of this.grid.querySelectorAll(".tile")) {
      const on = this.selected.has(tile.dataset.id);
      tile.classList.toggle("selected", on);
      tile.querySelector(".pick").setAttribute("aria-pressed", String(on));
    }
    const count = this.selected.size;
    this.grid.classList.toggle("selecting", count > 0);
    this.chosen.hidden = count === 0;
    this.chosen.querySelector("b").textContent = `${count.toLocaleString()} selected`;
    this.hand();
  }

  // Python is told once the hand rests.
  hand() {
    const ids = [...this.selected], told = JSON.stringify(ids);
    if (told === this.told) return;
    this.told = told;
    clearTimeout(this.handing);
    this.handing = setTimeout(() => this.tell("selection", ids), HAND_REST);
  }

  // --- keyboard

  focus(tile) {
    if (!tile) return;
    this.roam(tile);
    tile.querySelector(".look").focus();
  }

  // Tab stops once in the grid; arrow keys walk inside it.
  roam(tile) {
    const tiles = this.tiles();
    const at = tile ?? tiles.find((one) => one.querySelector(".look").tabIndex === 0) ?? tiles[0];
    for (const one of this.grid.querySelectorAll('.look[tabindex="0"]')) one.tabIndex = -1;
    if (at) at.querySelector(".look").tabIndex = 0;
  }

  pressed(event) {
    const tile = event.target.closest?.(".tile");
    if (!tile) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      this.select(this.tiles().map((one) => one.dataset.id));
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (event.key === " " && event.target.closest(".look, .pick")) {
      this.toggle(tile);
    } else if (event.key === "Escape" && this.selected.size) {
      this.select([]);
    } else if (ACTIONS.some(([, , key]) => key === event.key)) {
      const [name] = ACTIONS.find(([, , key]) => key === event.key);
      this.act(name, this.selected.size && name !== "similar" ? [...this.selected] : [tile.dataset.id]);
    } else {
      const next = neighbour(this.tiles(), tile, event.key);
      if (!next) return;
      if (event.shiftKey) { this.anchor ??= tile.dataset.id; this.reach(next); }
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
    const none = element("button", "", "Clear");
    none.addEventListener("click", () => this.select([]));
    this.chosen.append(none);
    const size = this.bar.querySelector(".size");
    size.value = remembered(SIZE, "3");
    const square = this.bar.querySelector(".square");
    const use = () => {
      this.grid.dataset.size = size.value;
      const on = square.getAttribute("aria-pressed") === "true";
      this.grid.classList.toggle("squares", on);
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

// Left and right in order, up and down to the nearest tile of the next row.
function neighbour(tiles, tile, key) {
  const at = tiles.indexOf(tile);
  const box = tile.getBoundingClientRect();
  const middle = box.left + box.width / 2;
  const inRow = (step) => {
    let best, row;
    for (let place = at + step; place >= 0 && place < tiles.length; place += step) {
      const other = tiles[place].getBoundingClientRect();
      if (Math.abs(other.top - box.top) < 4) continue;
      row ??= other.top;
      if (Math.abs(other.top - row) > 4) break;
      const distance = Math.abs(other.left + other.width / 2 - middle);
      if (!best || distance < best.distance) best = { tile: tiles[place], distance };
    }
    return best?.tile;
  };
  return {
    ArrowRight: () => tiles[at + 1],
    ArrowLeft: () => tiles[at - 1],
    ArrowDown: () => inRow(1),
    ArrowUp: () => inRow(-1),
    Home: () => tiles[0],
    End: () => tiles[tiles.length - 1],
  }[key]?.();
}

const grids = new WeakMap();

export default function ({ parentElement, data, setTriggerValue, setStateValue }) {
  if (!grids.has(parentElement)) grids.set(parentElement, new Grid(parentElement));
  grids.get(parentElement).show(data, setTriggerValue, setStateValue);
}
