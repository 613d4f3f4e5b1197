// One image, large. Receives {src, alt, ratio, width, heat, box, found, path}: `heat` is a small image to lay over the
// part `box`, `found` the part that matched, or null. Zooms with the wheel, two fingers, the buttons, a double click and
// keys; is moved by dragging and by keys when it is near; a swipe is a step. Reports "part" with a box [left, top, right,
// bottom] as fractions when one was dragged, or moved with keys, after "Search with a part", and "step" with -1 or 1.

const NEAR = 2.5, MOST = 12, LEAST_PART = 0.02, PACE = 0.15, SWIPE = 60;
const HALF = 0.2, STEP = 0.04;  // of the box that is moved with keys: half a side when it appears, and a step
const MOVES = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const STOPS = 'a[href], button:not(:disabled), input:not(:disabled), summary, [tabindex="0"]';
const views = new WeakMap();

class View {
  constructor(root) {
    this.root = root;
    for (const name of ["stage", "sheet", "large", "heat", "found", "marked", "gone", "mark", "fit", "copy"]) this[name] = root.querySelector(`.${name}`);
    this.status = root.querySelector("[role=status]");
    this.large.addEventListener("error", () => { this.gone.hidden = false; this.large.hidden = true; });
    this.large.addEventListener("load", () => { this.gone.hidden = true; this.large.hidden = false; });
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(this.scale * Math.exp(-event.deltaY / 400), this.at(event));
    }, { passive: false });
    this.stage.addEventListener("dblclick", (event) => this.zoom(this.scale > 1 ? 1 : NEAR, this.at(event)));
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    root.querySelector(".in").addEventListener("click", () => this.zoom(this.scale * 1.5));
    root.querySelector(".out").addEventListener("click", () => this.zoom(this.scale / 1.5));
    this.fit.addEventListener("click", () => this.toggle());
    this.mark.addEventListener("click", (event) => this.marking(!this.marks, event.detail === 0));
    this.copy.addEventListener("click", () => this.copyPath());
    this.fingers = new Map();
  }

  async copyPath() {
    try { await navigator.clipboard.writeText(this.path); }
    catch {
      const area = document.createElement("textarea");  // a page that came over plain HTTP may not use the clipboard
      area.value = this.path;
      this.root.append(area); area.select(); document.execCommand("copy"); area.remove();
    }
    this.say("Path copied");
  }

  say(text) {
    this.status.textContent = text;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { this.status.textContent = ""; }, 2500);
  }

  show(data, report) {
    this.report = report;
    if (this.large.getAttribute("src") !== data.src) {
      this.large.src = data.src;
      this.marking(false);
      this.zoom(1);
    }
    this.large.alt = data.alt;
    this.stage.style.setProperty("--ratio", data.ratio);
    this.stage.style.setProperty("--width", data.width);
    this.path = data.path;
    this.found.hidden = !data.found;
    if (data.found) this.lay(this.found, data.found);
    this.heat.hidden = !data.heat;
    if (data.heat) {
      this.heat.src = data.heat;
      this.lay(this.heat, data.box);
    }
  }

  // Over a part of the image.
  lay(one, [left, top, right, bottom]) {
    Object.assign(one.style, {
      inset: "auto", left: `${left * 100}%`, top: `${top * 100}%`,
      width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%`,
    });
  }

  toggle() { this.zoom(this.scale > 1 ? 1 : NEAR); }

  // A place of the stage as a fraction of it.
  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  // The same place stays under the pointer.
  zoom(scale, [x, y] = [0.5, 0.5]) {
    const wanted = Math.min(MOST, Math.max(1, scale));
    const before = this.scale ?? 1;
    this.left = x - (x - (this.left ?? 0)) * (wanted / before);
    this.top = y - (y - (this.top ?? 0)) * (wanted / before);
    this.scale = wanted;
    this.draw();
  }

  draw() {
    this.left = Math.min(0, Math.max(1 - this.scale, this.left));
    this.top = Math.min(0, Math.max(1 - this.scale, this.top));
    this.sheet.style.transform = `translate(${this.left * 100}%, ${this.top * 100}%) scale(${this.scale})`;
    this.sheet.style.setProperty("--scale", this.scale);
    this.stage.classList.toggle("near", this.scale > 1);
    this.fit.textContent = `${Math.round(this.scale * 100)} %`;
  }

  get marks() { return this.stage.classList.contains("marking"); }

  // Begin or end to mark a part; who came by a key gets a box to move.
  marking(on, byKey = false) {
    this.stage.classList.toggle("marking", on);
    this.mark.setAttribute("aria-pressed", String(on));
    this.marked.hidden = true;
    this.part = null;
    clearTimeout(this.quiet);
    this.status.textContent = on ? "Drag a box over the part" : "";
    if (on && byKey) this.place();
  }

  // A box in the middle of what is seen.
  place() {
    const sides = [0.5 - HALF, 0.5 + HALF].map((side) => [(side - this.left) / this.scale, (side - this.top) / this.scale]);
    this.box(sides.flat());
    this.status.textContent = "Arrows move the box, Shift + arrows change its size, Enter searches, Esc leaves";
  }

  box(part) {
    this.part = part;
    this.lay(this.marked, part);
    this.marked.hidden = false;
  }

  // While a part is marked: true for a key that moves the box, changes its size, searches with it or leaves it.
  marksWith(event) {
    if (event.key === "Escape") this.marking(false);
    else if (event.key === "Enter" && this.part) this.ask();
    else if (event.key in MOVES && !this.part) this.place();
    else if (event.key in MOVES) {
      const part = this.part, least = 2 * LEAST_PART;
      const by = MOVES[event.key].map((way) => -way * STEP / this.scale);
      for (const [axis, step] of by.entries()) {
        const [begin, end] = [part[axis], part[axis + 2]];
        const moved = Math.max(event.shiftKey ? begin + least - end : -begin, Math.min(1 - end, step));
        if (!event.shiftKey) part[axis] += moved;
        part[axis + 2] += moved;
      }
      this.box(part);
      this.follow();
    } else return false;
    return true;
  }

  // Move a close-up so far that the box is seen.
  follow() {
    const [left, top, right, bottom] = this.part.map((side) => side * this.scale);
    this.left = Math.max(-left, Math.min(1 - right, this.left));
    this.top = Math.max(-top, Math.min(1 - bottom, this.top));
    this.draw();
  }

  // Search with the part, if it is large enough to be meant.
  ask() {
    const part = this.part;
    this.part = null;
    if (part && part[2] - part[0] > LEAST_PART && part[3] - part[1] > LEAST_PART) this.report("part", part);
  }

  // True for a key that was meant for the image.
  pressed(event) {
    if (event.key === "z") this.toggle();
    else if (event.key === "+" || event.key === "=") this.zoom(this.scale * 1.5);
    else if (event.key === "-") this.zoom(this.scale / 1.5);
    else if (event.key === "0") this.zoom(1);
    else if (event.key === "r") this.marking(!this.marks, true);
    else if (event.key === "c") this.copyPath();
    else if (event.shiftKey && event.key in MOVES) {
      this.left += MOVES[event.key][0] * PACE;
      this.top += MOVES[event.key][1] * PACE;
      this.draw();
    } else return false;
    return true;
  }

  // Two fingers: their distance is the size, and what was between them stays there.
  pinch() {
    const [one, other] = [...this.fingers.values()];
    const apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
    const middle = [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
    if (this.apart) {
      this.left += middle[0] - this.middle[0];
      this.top += middle[1] - this.middle[1];
      this.zoom(this.scale * (apart / this.apart), middle);
    }
    [this.apart, this.middle] = [apart, middle];
  }

  down(event) {
    const marks = this.marks;
    if (event.pointerType === "touch" && !marks) return this.touched(event);
    if (event.button !== 0 || (!marks && this.scale <= 1)) return;
    event.preventDefault();
    if (marks) this.part = null;  // another one than that of the keys
    const start = this.at(event), from = [this.left, this.top];
    const stop = new AbortController();
    const onMove = (moved) => {
      const here = this.at(moved);
      if (marks) return this.outline(start, here);
      [this.left, this.top] = [from[0] + here[0] - start[0], from[1] + here[1] - start[1]];
      this.draw();
    };
    window.addEventListener("pointermove", onMove, { signal: stop.signal });
    window.addEventListener("pointerup", () => {
      stop.abort();
      if (marks) this.ask();
    }, { signal: stop.signal });
  }

  // One finger moves the image when it is near, and is a step otherwise; two zoom.
  touched(event) {
    this.fingers.set(event.pointerId, this.at(event));
    this.apart = null;
    if (this.fingers.size > 1) return;
    const stop = new AbortController(), began = [event.clientX, event.clientY];
    let last = this.at(event), many = false;
    window.addEventListener("pointermove", (moved) => {
      if (!this.fingers.has(moved.pointerId)) return;
      this.fingers.set(moved.pointerId, this.at(moved));
      many ||= this.fingers.size > 1;
      if (this.fingers.size === 2) this.pinch();
      else if (this.fingers.size === 1 && this.scale > 1) {
        const here = this.at(moved);
        if (!many) [this.left, this.top] = [this.left + here[0] - last[0], this.top + here[1] - last[1]];
        last = here;
        this.draw();
      }
    }, { signal: stop.signal });
    const end = (lifted) => {
      this.fingers.delete(lifted.pointerId);
      this.apart = null;
      if (this.fingers.size) return;
      stop.abort();
      const [along, across] = [lifted.clientX - began[0], lifted.clientY - began[1]];
      if (!many && this.scale <= 1 && Math.abs(along) > SWIPE && Math.abs(along) > 2 * Math.abs(across)) {
        this.report("step", along < 0 ? 1 : -1);
      }
    };
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end, { signal: stop.signal });
  }

  // The box between two places of the stage, as fractions of the image.
  outline(...places) {
    const inside = (value, offset) => Math.min(1, Math.max(0, (value - offset) / this.scale));
    const xs = places.map(([x]) => inside(x, this.left)).sort((a, b) => a - b);
    const ys = places.map(([, y]) => inside(y, this.top)).sort((a, b) => a - b);
    this.box([xs[0], ys[0], xs[1], ys[1]]);
  }
}

// What keeps the Tab key inside the large view passes over the buttons of a component: they are reached here. True for a step.
function tabbed(root, event) {
  const place = root.getRootNode(), dialog = place.host?.closest("[role=dialog]");
  if (event.key !== "Tab" || !dialog) return false;
  const buttons = [...root.querySelectorAll("button")], at = buttons.indexOf(place.activeElement);
  let next = at < 0 ? null : buttons[at + (event.shiftKey ? -1 : 1)];
  if (at < 0) {
    const stops = [...dialog.querySelectorAll(STOPS)].filter((one) => one.checkVisibility());
    const isBefore = (one) => one.compareDocumentPosition(place.host) & Node.DOCUMENT_POSITION_FOLLOWING;
    const beside = event.shiftKey ? stops.find((one) => !isBefore(one)) : stops.findLast(isBefore);
    if (beside === document.activeElement) next = event.shiftKey ? buttons.at(-1) : buttons[0];
  }
  next?.focus();
  return Boolean(next);
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  if (!views.has(root)) views.set(root, new View(root));
  const view = views.get(root);
  view.show(data, setTriggerValue);
  view.stop?.abort();
  const { signal } = view.stop = new AbortController();
  const isFor = (event) => !(event.ctrlKey || event.metaKey || event.altKey
    || event.composedPath()[0].matches?.("input:not([type=checkbox]), textarea"));
  // Before Streamlit, where "r" runs the page anew, arrows step on and Escape closes the image.
  window.addEventListener("keydown", (event) => {
    const isDone = tabbed(root, event) || (isFor(event) && ((view.marks && view.marksWith(event)) || view.pressed(event)));
    if (!isDone) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { signal, capture: true });
  const { stop } = view;
  return () => stop.abort();  // this one: by then another run may have begun its own
}
