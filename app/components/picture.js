// One picture, large. Receives {src, alt, ratio, width, heat, box}: `heat` is a small picture to lay over the part `box`.
// Zooms with the wheel, the buttons, a double click and "z"; drags when it is near; reports "part" with a box [left, top,
// right, bottom] as fractions when one was dragged after "Search with a part".

const NEAR = 2.5, MOST = 12, LEAST_PART = 0.02;
const views = new WeakMap();

class View {
  constructor(root) {
    this.root = root;
    for (const name of ["stage", "sheet", "large", "heat", "marked", "gone", "mark", "fit"]) this[name] = root.querySelector(`.${name}`);
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
    this.mark.addEventListener("click", () => this.marking(!this.stage.classList.contains("marking")));
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
    this.heat.hidden = !data.heat;
    if (data.heat) {
      const [left, top, right, bottom] = data.box;
      this.heat.src = data.heat;
      this.heat.style.inset = `${top * 100}% auto auto ${left * 100}%`;
      this.heat.style.width = `${(right - left) * 100}%`;
      this.heat.style.height = `${(bottom - top) * 100}%`;
    }
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
    this.stage.classList.toggle("near", this.scale > 1);
    this.fit.textContent = `${Math.round(this.scale * 100)} %`;
  }

  marking(on) {
    this.stage.classList.toggle("marking", on);
    this.mark.setAttribute("aria-pressed", String(on));
    this.marked.hidden = true;
    this.status.textContent = on ? "Drag a box over the part" : "";
  }

  down(event) {
    const marks = this.stage.classList.contains("marking");
    if (event.button !== 0 || (!marks && this.scale <= 1)) return;
    event.preventDefault();
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
      if (!marks || !this.part) return;
      const part = this.part;
      this.part = null;
      if (part[2] - part[0] > LEAST_PART && part[3] - part[1] > LEAST_PART) this.report("part", part);
    }, { signal: stop.signal });
  }

  // The box between two places of the stage, as fractions of the picture.
  outline(...places) {
    const inside = (value, offset) => Math.min(1, Math.max(0, (value - offset) / this.scale));
    const xs = places.map(([x]) => inside(x, this.left)).sort((a, b) => a - b);
    const ys = places.map(([, y]) => inside(y, this.top)).sort((a, b) => a - b);
    this.part = [xs[0], ys[0], xs[1], ys[1]];
    Object.assign(this.marked.style, {
      left: `${xs[0] * 100}%`, top: `${ys[0] * 100}%`, width: `${(xs[1] - xs[0]) * 100}%`, height: `${(ys[1] - ys[0]) * 100}%`,
    });
    this.marked.hidden = false;
  }
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  if (!views.has(root)) views.set(root, new View(root));
  const view = views.get(root);
  view.show(data, setTriggerValue);
  view.stop?.abort();
  view.stop = new AbortController();
  document.addEventListener("keydown", (event) => {
    const at = event.composedPath()[0];
    if (event.key === "z" && !event.ctrlKey && !event.metaKey && !at.matches?.("input, textarea")) view.toggle();
  }, { signal: view.stop.signal });
  return () => view.stop.abort();
}
