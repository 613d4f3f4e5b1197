// Paints up to hundreds of thousands of dots into a canvas, pixel by pixel: no GPU is needed, and none is missed. Dots lie
// from 0 to 1; `view` says which part of that is seen: {x, y} in the middle, and `scale`, CSS pixels from 0 to 1.

// Okabe and Ito's colours, which people with any colour vision can tell apart, darker or lighter where the paper demands it.
const NAMED = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07a00", "#3aa0dd", "#7a4fb5", "#4d4d4d"],
  dark: ["#56b4e9", "#ff8a3d", "#2fc596", "#e79ac6", "#f0e442", "#8fb8ff", "#c59bff", "#d9d9d9"],
};
const GREY = { light: "#b3ada1", dark: "#5f5a52" };
// From far to near; a column's values (viridis, without the end that the paper swallows).
const FAR = { light: ["#cfc8ba", "#e2a27e", "#c4511c", "#6e2306", "#2e0d00"], dark: ["#57514a", "#8f5330", "#d9692e", "#ffb380", "#fff3e6"] };
const ALONG = { light: ["#440154", "#3b528b", "#21918c", "#4ab75f", "#b8c51e"], dark: ["#6a4a9c", "#4a6bb5", "#2aa79b", "#7ad151", "#fde725"] };
const STEPS = 250, OTHER = 8, UNKNOWN = 254, HIDDEN = 255;
const CELLS = 256;

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (one, other, part) => one.map((value, at) => Math.round(value + (other[at] - value) * part));
const packed = ([red, green, blue]) => (255 << 24 | blue << 16 | green << 8 | red) >>> 0;

function gradient(stops, part) {
  const at = Math.min(part * (stops.length - 1), stops.length - 1.000001), from = Math.floor(at);
  return mixed(channels(stops[from]), channels(stops[from + 1]), at - from);
}

// The colour of each of the 256 codes as [r, g, b].
function coloursOf(legend, dark) {
  const mode = dark ? "dark" : "light", grey = channels(GREY[mode]);
  const stops = legend.far ? FAR[mode] : ALONG[mode];
  return Array.from({ length: 256 }, (_, code) => {
    if (code >= UNKNOWN) return grey;
    if (legend.ends) return gradient(stops, Math.min(1, code / (STEPS - 1)));
    return code === OTHER ? grey : channels(NAMED[mode][code % NAMED[mode].length]);
  });
}

// Which dots are where, to find the nearest one quickly; and an order that no folder profits from.
class Places {
  constructor(numbers) {
    this.xy = numbers;
    this.count = numbers.length / 2;
    this.start = new Uint32Array(CELLS * CELLS + 1);
    this.rows = new Uint32Array(this.count);
    const cells = new Uint32Array(this.count);
    for (let row = 0; row < this.count; row++) {
      cells[row] = this.cell(numbers[2 * row + 1]) * CELLS + this.cell(numbers[2 * row]);
      this.start[cells[row] + 1]++;
    }
    for (let cell = 0; cell < CELLS * CELLS; cell++) this.start[cell + 1] += this.start[cell];
    const next = this.start.slice();
    for (let row = 0; row < this.count; row++) this.rows[next[cells[row]]++] = row;
    this.order = Uint32Array.from({ length: this.count }, (_, row) => row);
    let seed = 1;
    for (let at = this.count - 1; at > 0; at--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const other = seed % (at + 1), kept = this.order[at];
      this.order[at] = this.order[other];
      this.order[other] = kept;
    }
  }

  // In which order they are painted: mixed, or those of low codes first, so that what matters lies on top.
  paintIn(codes) {
    this.painted = this.order;
    if (!codes) return;
    const next = new Uint32Array(257);
    for (let row = 0; row < this.count; row++) next[codes[row] + 1]++;
    for (let code = 0; code < 256; code++) next[code + 1] += next[code];
    this.painted = new Uint32Array(this.count);
    for (const row of this.order) this.painted[next[codes[row]]++] = row;
  }

  cell(value) { return Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS))); }

  // The nearest dot to a place, not farther than `reach`; -1 for none.
  nearest(x, y, reach, shown) {
    let best = -1, least = reach * reach;
    for (let row = this.cell(y - reach); row <= this.cell(y + reach); row++) {
      for (let column = this.cell(x - reach); column <= this.cell(x + reach); column++) {
        const cell = row * CELLS + column;
        for (let at = this.start[cell]; at < this.start[cell + 1]; at++) {
          const one = this.rows[at], dx = this.xy[2 * one] - x, dy = this.xy[2 * one + 1] - y;
          const far = dx * dx + dy * dy;
          if (far <= least && shown(one)) { least = far; best = one; }
        }
      }
    }
    return best;
  }
}

// Where a disc of a radius has pixels, and how much of each (0 to 256).
function stamp(radius, width) {
  const offsets = [], cover = [], reach = Math.ceil(radius);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const part = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y)));
      if (part > 0.08) { offsets.push(y * width + x); cover.push(Math.round(256 * part)); }
    }
  }
  return { offsets: Int32Array.from(offsets), cover: Uint16Array.from(cover), reach };
}

class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
  }

  resize(width, height) {
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.width = Math.max(1, Math.round(width * this.ratio));
    this.height = Math.max(1, Math.round(height * this.ratio));
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    this.image = this.context.createImageData(this.width, this.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  // Few dots are large, many are small; all grow while going near.
  radius(count, zoom) { return Math.min(7, Math.max(0.9, 26 / Math.sqrt(count + 1) ** 0.72) * Math.min(3.5, zoom ** 0.45)); }

  // `bright(row)` says which dots are not faded. Returns how many are seen.
  paint(places, codes, colours, paper, view, zoom, bright) {
    const { pixels, width, height } = this, scale = view.scale * this.ratio;
    const left = width / 2 - view.x * scale, top = height / 2 - view.y * scale;
    const disc = stamp(this.radius(places.count, zoom) * this.ratio, width);
    const full = Uint32Array.from(colours, packed);
    const faded = Uint32Array.from(colours, (colour) => packed(mixed(colour, paper, 0.72)));
    pixels.fill(packed(paper));
    let seen = 0;
    for (const wanted of bright ? [false, true] : [true]) {
      const table = wanted ? full : faded;
      for (const row of places.painted) {
        const code = codes[row];
        if (code === HIDDEN) continue;
        const x = Math.round(places.xy[2 * row] * scale + left), y = Math.round(places.xy[2 * row + 1] * scale + top);
        if (x < disc.reach || y < disc.reach || x >= width - disc.reach || y >= height - disc.reach) continue;
        if (bright && bright(row) !== wanted) continue;
        seen++;
        this.dot(y * width + x, table[code], disc);
      }
    }
    this.context.putImageData(this.image, 0, 0);
    return seen;
  }

  dot(at, colour, { offsets, cover }) {
    const pixels = this.pixels;
    for (let one = 0; one < offsets.length; one++) {
      const place = at + offsets[one], part = cover[one];
      if (part > 250) { pixels[place] = colour; continue; }
      const under = pixels[place], rest = 256 - part;
      const outer = (((under & 0xff00ff) * rest + (colour & 0xff00ff) * part) >>> 8) & 0xff00ff;
      const green = (((under & 0xff00) * rest + (colour & 0xff00) * part) >>> 8) & 0xff00;
      pixels[place] = (0xff000000 | outer | green) >>> 0;
    }
  }
}

function insideOf(area, x, y) {
  let found = false;
  for (let at = 0, before = area.length - 1; at < area.length; before = at++) {
    const [x1, y1] = area[at], [x2, y2] = area[before];
    if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) found = !found;
  }
  return found;
}
