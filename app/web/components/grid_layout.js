// Which tile lies where?  Nothing here touches the page: numbers in, numbers out.

const SIZES = { 1: [72, 0.075, 115], 2: [96, 0.11, 165], 3: [120, 0.15, 230], 4: [160, 0.21, 320], 5: [220, 0.3, 440] };
const LINE = 60;  // pixels that the line between what matches and what does not takes
const STRETCH = 1.25;  // how much higher than wished a row may become

const NEARLY = 1.12;  // likewise a last row that this fills

// The wished height of a row for a size from 1 to 5, and the gap between tiles, in a window of so many pixels.
function measures(size, window) {
  const [least, part, most] = SIZES[size] ?? SIZES[3];
  const narrow = window <= 520 && String(size) === "3";
  return { row: narrow ? 132 : Math.min(most, Math.max(least, part * window)), gap: Math.min(10, Math.max(5, 0.006 * window)) };
}

// Rows that fill the width, each of one height near `row`, so that no image is cropped; or squares. `ratios` are width
// by height; the tile number `line` begins a new row below a gap for the line. Gives a box {left, top, width, height} for
// each tile, where the line is (null for nowhere), and the height of all.
function arrange(ratios, { width, row, gap, squares, line, folded }) {
  const boxes = [];
  let top = 0, lineTop = null;
  const shelf = (from, to, height, full) => {
    let left = 0;
    for (let at = from; at < to; at += 1) {
      const wide = full && at === to - 1 ? width - left : ratios[at] * height;
      boxes.push({ left, top, width: wide, height });
      left += wide + gap;
    }
    top += height + gap;
  };
  const fill = (from, to) => {
    if (squares) {
      const columns = Math.max(2, Math.floor((width + gap) / (row + gap)));
      const side = (width - gap * (columns - 1)) / columns;
      for (let at = from; at < to; at += 1) {
        const column = (at - from) % columns;
        boxes.push({ left: column * (side + gap), top, width: side, height: side });
        if (column === columns - 1 || at === to - 1) top += side + gap;
      }
      return;
    }
    let start = from, sum = 0;
    for (let at = from; at < to; at += 1) {
      const before = sum ? (width - gap * (at - start - 1)) / sum : Infinity;  // the row's height without this tile
      const after = (width - gap * (at - start)) / (sum + ratios[at]);
      if (after <= row && before <= row * STRETCH && row - after > before - row) {
        shelf(start, at, before, true);
        [start, sum] = [at, ratios[at]];
      } else sum += ratios[at];
      const height = (width - gap * (at - start)) / sum;
      if (height <= row) {
        shelf(start, at + 1, height, true);
        [start, sum] = [at + 1, 0];
      }
    }
    if (start < to) {
      const height = (width - gap * (to - start - 1)) / sum;
      const nearly = height <= row * NEARLY;  // a last row that is nearly full ends where the others do
      shelf(start, to, nearly ? height : row, nearly);
    }
  };
  const split = line === null ? ratios.length : Math.min(line, ratios.length);
  fill(0, split);
  if (line !== null) {
    lineTop = top;
    top += LINE;
    if (!folded) fill(split, ratios.length);
  }
  return { boxes, lineTop, height: Math.max(0, top - gap) };
}

// The first and last + 1 of the boxes that touch the pixels from `top` to `bottom`.
function between(boxes, top, bottom) {
  const search = (isBefore) => {
    let [low, high] = [0, boxes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(boxes[middle])) low = middle + 1; else high = middle;
    }
    return low;
  };
  return [search((box) => box.top + box.height < top), search((box) => box.top <= bottom)];
}

// The number of the tile that a key leads to from the tile number `at`; undefined for none.
function neighbour(boxes, at, key) {
  const middle = boxes[at].left + boxes[at].width / 2;
  const inRow = (step) => {
    let best, row;
    for (let place = at + step; place >= 0 && place < boxes.length; place += step) {
      const other = boxes[place];
      if (other.top === boxes[at].top) continue;
      row ??= other.top;
      if (other.top !== row) break;
      const distance = Math.abs(other.left + other.width / 2 - middle);
      if (!best || distance < best.distance) best = { place, distance };
    }
    return best?.place;
  };
  const inside = (place) => (place >= 0 && place < boxes.length ? place : undefined);
  return {
    ArrowRight: () => inside(at + 1),
    ArrowLeft: () => inside(at - 1),
    ArrowDown: () => inRow(1),
    ArrowUp: () => inRow(-1),
    Home: () => inside(0),
    End: () => inside(boxes.length - 1),
  }[key]?.();
}
