// How do thumbnails get into their tiles?  In groups: whatever a browser draws anew costs it as much as some ten thumbnails,
// and pictures that come one by one would each make it draw. So they are loaded beside the page, and put in together.

const TOGETHER = 100;  // milliseconds that the first of a group waits for the others

const coming = new Map();  // tile -> the picture that is on its way to it
let landed = [], landing = null;

// Show the picture at an address in a tile, when it is there; `failed` is called if there is none.
function bring(tile, address, failed) {
  if (tile.dataset.thumb === address) return;
  tile.dataset.thumb = address;
  const next = new Image();
  next.decoding = "sync";
  next.src = address;
  coming.set(tile, next);
  const end = (swap) => {
    if (coming.get(tile) !== next) return;  // another picture, or none, is wanted by now
    coming.delete(tile);
    landed.push(swap);
    if (coming.size) landing ??= setTimeout(land, TOGETHER); else land();
  };
  const put = () => {
    const before = tile.querySelector("img");
    next.alt = before.alt;
    next.className = "ready";
    before.replaceWith(next);
  };
  if (next.complete && next.naturalWidth) { coming.delete(tile); put(); return; }  // the browser has it already
  next.addEventListener("load", () => end(put));
  next.addEventListener("error", () => end(failed));
}

// A tile that has gone waits for nothing.
function leave(tile) { coming.delete(tile); }

function land() {
  clearTimeout(landing);
  landing = null;
  for (const swap of landed.splice(0)) swap();
}
