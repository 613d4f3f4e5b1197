// A map of images. Receives {places, codes, legend, area, label}: `places` is where the dots are fetched from and where names
// are asked for, `codes` a byte for each dot in base64, `legend` what they mean, `area` the corners of the selection.
// Reports "area" (corners from 0 to 1, or [] for none), "opened" with a row, and "stale" when the map is another by now.

const svg = (paths) => `<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;
const SIGNS = {
  move: svg('<path d="M12 3v18M3 12h18M12 3 9.5 5.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5"/>'),
  lasso: svg('<path d="M7 17c-2.5-1-4-3-4-5.500C3 7 7 4 12 4s9 3 9 7-4 7-9 7c-1.500 0-3-.3-4-.8"/><path d="M8 15a2 2 0 1 0-2 3c1 0 2-1 2-3Zm0 3c0 1.500-.5 2.500-2 3"/>'),
  box: svg('<rect x="4" y="5" width="16" height="14" rx="1.500" stroke-dasharray="3.500 3"/>'),
  in: svg('<path d="M12 5v14M5 12h14"/>'),
  out: svg('<path d="M5 12h14"/>'),
  whole: svg('<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>'),
  pictures: svg('<rect x="3" y="4" width="18" height="16" rx="2.500"/><circle cx="8.500" cy="9.500" r="1.600"/><path d="m4 18 5.500-5 3.500 3 3-2.500 4.500 4"/>'),
  view: svg('<path d="M4 8V5.500A1.500 1.500 0 0 1 5.500 4H8M16 4h2.500A1.500 1.500 0 0 1 20 5.500V8M20 16v2.500a1.500 1.500 0 0 1-1.500 1.500H16M8 20H5.500A1.500 1.500 0 0 1 4 18.500V16"/><path d="m8 12 3 3 5-6"/>'),
};
const NEAREST = 400, MARGIN = 0.92, STEP = 1.5;
const SIDE = 58, APART = 2.3, MOST_PICTURES = 140, KNOWN = 4000;

class PictureMap {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    [this.stage, this.canvas, this.layer, this.draft] = [".stage", ".dots", ".pictures", ".draft polygon"].map(find);
    [this.tip, this.legend, this.status, this.clear, this.wait] = [".tip", ".legend", ".status", ".clear", ".wait"].map(find);
    this.painter = new Painter(this.canvas);
    this.names = new Map();
    this.shown = new Map();
    this.asked = new Set();
    this.pointers = new Map();
    this.tool = "move";
    this.withPictures = true;
    this.buttons = [...root.querySelectorAll(".tools button")];
    for (const button of this.buttons) {
      button.innerHTML = SIGNS[button.dataset.tool ?? button.dataset.do];
      button.addEventListener("click", () => this.act(button.dataset.tool ?? button.dataset.do));
    }
    this.clear.addEventListener("click", () => this.choose([]));
    const on = (kind, then, options) => this.canvas.addEventListener(kind, then.bind(this), options);
    on("pointerdown", this.pressed);
    on("pointermove", this.moved);
    on("pointerup", this.released);
    on("pointercancel", this.released);
    on("pointerleave", () => this.hover(-1));
    on("wheel", this.wheeled, { passive: false });
    on("dblclick", (event) => this.zoomAt(event.shiftKey ? 1 / 2 : 2, ...this.at(event)));
    on("keydown", this.typed);
    new ResizeObserver(() => {
      if (!this.places) return;
      const whole = this.view && this.view.scale === this.base;  // and so it stays in another window
      this.fit();
      if (whole) this.act("whole"); else this.paint();
    }).observe(this.stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(() => this.recolour(), 300));
    this.mark();
  }

  async show(data, report) {
    this.report = report;
    const fresh = data.places !== this.data?.places;
    this.data = data;
    this.area = data.area?.length ? data.area : null;
    this.only = null;
    this.canvas.setAttribute("aria-label", data.label);
    if (fresh) {
      const answer = await fetch(data.places);
      if (!answer.ok) { this.report("stale", data.places); return; }
      const numbers = new Float32Array(await answer.arrayBuffer());
      if (data.places !== this.data.places) return;
      this.places = new Places(numbers);
      this.names.clear();
      this.wait.hidden = true;
      this.fit();
      this.act("whole");
    }
    if (!this.places) return;
    this.codes = Uint8Array.from(atob(this.data.codes), (letter) => letter.charCodeAt(0));
    this.recolour();
  }

  recolour() {
    const style = getComputedStyle(this.stage);
    this.paper = (style.backgroundColor.match(/[\d.]+/g) ?? [255, 255, 255]).slice(0, 3).map(Number);
    this.dark = this.paper[0] + this.paper[1] + this.paper[2] < 384;
    this.colours = coloursOf(this.data.legend, this.dark);
    this.places.paintIn(this.data.legend.far ? this.codes : null);
    this.explain();
    this.choice();
    this.paint();
  }

  // --- what is seen

  fit() {
    const box = this.stage.getBoundingClientRect();
    this.width = this.stage.clientWidth || box.width;
    this.height = this.stage.clientHeight || box.height;
    this.painter.resize(this.width, this.height);
    this.base = this.spread();
  }

  // The scale at which all dots are in view.
  spread() {
    const [low, high] = [[1, 1], [0, 0]];
    for (let at = 0; at < this.places.xy.length; at++) {
      const value = this.places.xy[at];
      if (value < low[at & 1]) low[at & 1] = value;
      if (value > high[at & 1]) high[at & 1] = value;
    }
    this.middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    return MARGIN * Math.min(this.width / Math.max(high[0] - low[0], 0.01), (this.height - 40) / Math.max(high[1] - low[1], 0.01));
  }

  get zoom() { return this.view.scale / this.base; }

  paint() {
    if (this.queued || !this.codes || !this.view) return;
    this.queued = requestAnimationFrame(() => {
      this.queued = 0;
      const began = performance.now();
      const bright = this.only === null && !this.inside ? null : (row) => (this.only === null || this.codes[row] === this.only) && (!this.inside || this.inside[row] === 1);
      this.seen = this.painter.paint(this.places, this.codes, this.colours, this.paper, this.view, this.zoom, bright);
      this.bright = bright;
      this.movePictures();
      this.outline();
      this.canvas.dataset.frame = (performance.now() - began).toFixed(1);
      this.canvas.dataset.seen = this.seen;
      clearTimeout(this.calm);
      this.calm = setTimeout(() => this.settled(), 130);
    });
  }

  settled() {
    const all = this.data.legend.count;
    const part = this.seen >= all ? `All ${all.toLocaleString()} images are in view` : `${this.seen.toLocaleString()} of ${all.toLocaleString()} images are in view`;
    if (this.status.textContent !== part) this.status.textContent = part;
    this.placePictures();
  }

  toScreen(row) {
    return [
      (this.places.xy[2 * row] - this.view.x) * this.view.scale + this.width / 2,
      (this.places.xy[2 * row + 1] - this.view.y) * this.view.scale + this.height / 2,
    ];
  }

  toMap(x, y) {
    return [(x - this.width / 2) / this.view.scale + this.view.x, (y - this.height / 2) / this.view.scale + this.view.y];
  }

  zoomAt(factor, x = this.width / 2, y = this.height / 2) {
    const [left, top] = this.toMap(x, y);
    const scale = Math.min(Math.max(this.view.scale * factor, this.base * 0.5), this.base * NEAREST);
    this.view = { scale, x: left - (x - this.width / 2) / scale, y: top - (y - this.height / 2) / scale };
    this.hover(-1);
    this.paint();
  }

  pan(x, y) {
    this.view.x = Math.min(1.1, Math.max(-0.1, this.view.x - x / this.view.scale));
    this.view.y = Math.min(1.1, Math.max(-0.1, this.view.y - y / this.view.scale));
    this.paint();
  }

  // --- images among the dots: from afar a few, and all where there is room

  placePictures() {
    const wanted = new Set();
    if (this.withPictures) {
      const side = SIDE * Math.min(1.6, Math.max(0.75, this.zoom ** 0.18)), room = this.seen < MOST_PICTURES ? 1.02 : APART;
      const taken = [];
      const free = ([x, y]) => x > side / 2 && y > side / 2 && x < this.width - side / 2 && y < this.height - side / 2
        && !(y < 62 + side / 2 && x < 380 + side / 2)
        && taken.every(([left, top]) => Math.abs(left - x) > side * room || Math.abs(top - y) > side * room);
      const tryOne = (row) => {
        if (taken.length >= MOST_PICTURES || this.codes[row] === HIDDEN || (this.bright && !this.bright(row))) return;
        const place = this.toScreen(row);
        if (free(place)) { taken.push(place); wanted.add(row); }
      };
      for (const row of this.shown.keys()) tryOne(row);
      const painted = this.places.painted;  // what matters most was painted last
      for (let at = painted.length - 1; at >= 0; at--) if (!wanted.has(painted[at])) tryOne(painted[at]);
      this.side = side;
    }
    for (const [row, image] of this.shown) if (!wanted.has(row)) { image.remove(); this.shown.delete(row); }
    for (const row of wanted) {
      if (this.shown.has(row)) continue;
      const image = document.createElement("img");
      image.alt = "";
      image.decoding = "async";
      image.addEventListener("error", () => image.remove());
      image.addEventListener("load", () => { if (this.shown.get(row) === image) this.layer.append(image); });
      this.shown.set(row, image);
      this.know(row).then((known) => { if (known) image.src = known.thumb; });
    }
    this.movePictures();
  }

  movePictures() {
    for (const [row, image] of this.shown) {
      const [x, y] = this.toScreen(row);
      image.style.width = image.style.height = `${this.side}px`;
      image.style.transform = `translate(${x - this.side / 2}px, ${y - this.side / 2}px)`;
      image.style.setProperty("--edge", `rgb(${this.colours[this.codes[row]].join(" ")})`);
      image.classList.toggle("faded", Boolean(this.bright && !this.bright(row)));
    }
  }

  // Name, caption and thumbnail of a row; many are asked for at once.
  know(row) {
    if (this.names.size > KNOWN) this.names.clear();
    if (!this.names.has(row)) {
      this.names.set(row, new Promise((told) => {
        this.asked.add([row, told]);
        this.asking ??= setTimeout(() => this.ask(), 25);
      }));
    }
    return this.names.get(row);
  }

  async ask() {
    const waiting = [...this.asked];
    this.asked.clear();
    this.asking = null;
    for (let at = 0; at < waiting.length; at += 200) {
      const part = waiting.slice(at, at + 200);
      let found = [];
      try {
        const answer = await fetch(this.data.places, {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(part.map(([row]) => row)),
        });
        if (answer.ok) found = await answer.json();
      } catch { /* the server is busy or gone */ }
      const by = new Map(found.map((one) => [one.row, one]));
      for (const [row, told] of part) told(by.get(row));
    }
  }

  // --- the pointer

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  pressed(event) {
    if (!this.view || event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.at(event));
    this.hover(-1);
    this.travelled = 0;
    this.line = this.pointers.size > 1 ? null : event.shiftKey ? "box" : this.tool === "move" ? null : this.tool;
    this.path = this.line ? [this.at(event)] : null;
  }

  moved(event) {
    if (!this.view) return;
    const here = this.at(event), before = this.pointers.get(event.pointerId);
    if (!before) { this.hover(this.under(here), here); return; }
    this.travelled += Math.hypot(here[0] - before[0], here[1] - before[1]);
    this.pointers.set(event.pointerId, here);
    if (this.pointers.size === 2) {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const far = (one) => Math.max(10, Math.hypot(one[0] - other[0], one[1] - other[1]));
      this.zoomAt(far(here) / far(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      this.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    } else if (this.path) {
      this.path = this.line === "box" ? corners(this.path[0], here) : this.path;
      const last = this.path[this.path.length - 1];
      if (this.line === "lasso" && Math.hypot(here[0] - last[0], here[1] - last[1]) > 5) this.path.push(here);
      this.draft.setAttribute("points", this.path.map((place) => place.join(",")).join(" "));
    } else {
      this.pan(here[0] - before[0], here[1] - before[1]);
    }
  }

  released(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && this.travelled < 5) {
      const row = this.under(this.at(event));
      if (row >= 0 && !event.shiftKey) this.report("opened", row);
    } else if (this.path && this.path.length > 2 && event.type === "pointerup") {
      const every = Math.ceil(this.path.length / 90);
      this.choose(this.path.filter((_, at) => at % every === 0).map((place) => this.toMap(...place)));
    }
    this.path = null;
    if (this.view) this.outline();
  }

  wheeled(event) {
    if (!this.view) return;
    event.preventDefault();
    const by = event.deltaY * (event.deltaMode === 1 ? 30 : 1) * (event.ctrlKey ? 4 : 1);
    this.zoomAt(Math.exp(-Math.max(-300, Math.min(300, by)) / 400), ...this.at(event));
  }

  under([x, y]) {
    for (const [row, image] of this.shown) {  // an image is larger than its dot
      if (!image.isConnected) continue;
      const [left, top] = this.toScreen(row);
      if (Math.abs(left - x) < this.side / 2 && Math.abs(top - y) < this.side / 2) return row;
    }
    return this.places.nearest(...this.toMap(x, y), 9 / this.view.scale, (row) => this.codes[row] !== HIDDEN);
  }

  async hover(row, place) {
    this.stage.classList.toggle("over", row >= 0);
    if (row !== this.hovered) this.tip.hidden = true;
    this.hovered = row;
    if (row < 0 || this.tool !== "move" && this.pointers.size) return;
    const known = await this.know(row);
    if (!known || this.hovered !== row) return;
    const image = this.tip.querySelector("img");
    if (image.getAttribute("src") !== known.thumb) image.src = known.thumb;
    this.tip.querySelector("span").textContent = known.caption || known.name;
    this.tip.hidden = false;
    const [x, y] = place, [wide, high] = [this.tip.offsetWidth, Math.max(this.tip.offsetHeight, 150)];
    const left = x + 18 + wide > this.width ? x - wide - 14 : x + 18;
    const top = Math.max(6, Math.min(y + 14, this.height - high - 6));
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
  }

  // --- the selection

  choose(area) { this.report("area", area.map(([x, y]) => [clamped(x), clamped(y)])); }

  choice() {
    this.inside = null;
    let count = 0;
    if (this.area) {
      this.inside = new Uint8Array(this.places.count);
      for (let row = 0; row < this.places.count; row++) {
        if (this.codes[row] === HIDDEN || !insideOf(this.area, this.places.xy[2 * row], this.places.xy[2 * row + 1])) continue;
        this.inside[row] = 1;
        count++;
      }
    }
    this.clear.hidden = !this.area;
    this.clear.textContent = `${count.toLocaleString()} selected  ✕`;
    this.clear.setAttribute("aria-label", `${count.toLocaleString()} selected: clear the selection`);
  }

  outline() {
    const area = this.path ? null : this.area;
    if (this.path) return;
    const place = ([x, y]) => [(x - this.view.x) * this.view.scale + this.width / 2, (y - this.view.y) * this.view.scale + this.height / 2];
    this.draft.setAttribute("points", (area ?? []).map((corner) => place(corner).map((value) => value.toFixed(1)).join(",")).join(" "));
  }

  // --- buttons, keys, legend

  act(what) {
    if (!this.places) return;
    if (what === "move" || what === "lasso" || what === "box") this.tool = what;
    if (what === "in") this.zoomAt(STEP);
    if (what === "out") this.zoomAt(1 / STEP);
    if (what === "whole") { this.view = { scale: this.base, x: this.middle[0], y: this.middle[1] - 20 / this.base }; this.paint(); }
    if (what === "pictures") { this.withPictures = !this.withPictures; this.placePictures(); }
    if (what === "view") this.choose(corners([0, 0], [this.width, this.height]).map((place) => this.toMap(...place)));
    this.mark();
  }

  mark() {
    this.stage.classList.toggle("drawing", this.tool !== "move");
    for (const button of this.buttons) {
      if (button.dataset.tool) button.setAttribute("aria-pressed", String(button.dataset.tool === this.tool));
      if (button.dataset.do === "pictures") button.setAttribute("aria-pressed", String(this.withPictures));
    }
  }

  typed(event) {
    if (!this.view || event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 220 : 70;
    const moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    const acts = { "+": "in", "=": "in", "-": "out", "0": "whole", m: "move", l: "lasso", b: "box", p: "pictures", Enter: "view" };
    if (moves[event.key]) this.pan(...moves[event.key]);
    else if (acts[event.key]) this.act(acts[event.key]);
    else if (event.key === "Escape" && this.pointers.size) { this.path = null; this.pointers.clear(); this.outline(); }
    else if (event.key === "Escape" && this.area) this.choose([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  explain() {
    const { legend } = this.data, made = [];
    const swatch = (code) => `rgb(${this.colours[code].join(" ")})`;
    const entry = (code, name, count) => {
      const button = document.createElement("button");
      button.append(document.createElement("b"), Object.assign(document.createElement("span"), { className: "name", textContent: name }), Object.assign(document.createElement("em"), { textContent: count.toLocaleString() }));
      button.style.setProperty("--swatch", swatch(code));
      button.title = `Show only: ${name}`;
      button.setAttribute("aria-pressed", String(this.only === code));
      button.addEventListener("click", () => {
        this.only = this.only === code ? null : code;
        for (const other of this.legend.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button && this.only !== null));
        this.paint();
      });
      made.push(button);
    };
    if (legend.ends) {
      const scale = Object.assign(document.createElement("span"), { className: "scale" });
      const stops = Array.from({ length: 11 }, (_, at) => swatch(Math.round((at / 10) * (STEPS - 1))));
      scale.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      if (legend.title) made.push(Object.assign(document.createElement("span"), { className: "title", textContent: legend.title }));
      made.push(legend.ends[0], scale, legend.ends[1]);
    }
    legend.names.forEach(([name, count], code) => entry(code, name, count));
    if (legend.other) entry(OTHER, legend.further, legend.other);
    if (legend.unknown) entry(UNKNOWN, "not known", legend.unknown);
    this.legend.replaceChildren(...made);
  }
}

const clamped = (value) => Math.min(1, Math.max(0, value));

function corners([x, y], [right, bottom]) { return [[x, y], [right, y], [right, bottom], [x, bottom]]; }

const maps = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  if (!maps.has(parentElement)) maps.set(parentElement, new PictureMap(parentElement));
  maps.get(parentElement).show(data, setTriggerValue);
}
