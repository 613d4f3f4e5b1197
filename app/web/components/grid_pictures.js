// How do thumbnails get into their tiles?  In groups: a request for each image, and a frame drawn for each that comes, cost
// a browser several times what the images cost. A group is one answer of the server, and one change of the page.

const TOGETHER = 20, LONGEST = 6000;  // images in a group, and characters of its address
const MOST_KEPT = 1500;  // images in memory, some 13 kB each
const ADDRESS = /^(.*)\/thumb\/([^/]+)\/([^?]+)(?:\?v=(.*))?$/;  // of one image

const kept = new Map();  // address -> its image, the one that was used longest ago first
const coming = new Map();  // tile -> {tile, address, failed}: what it waits for
let wanted = [];

// Show the image at an address in a tile, when it is there; `failed` is called if there is none.
function bring(tile, address, failed) {
  if (tile.dataset.thumb === address) return;
  tile.dataset.thumb = address;
  coming.delete(tile);
  const here = kept.get(address);
  if (here) { put(tile, here.isConnected ? here.cloneNode() : here); return; }
  const one = { tile, address, failed };
  coming.set(tile, one);
  if (wanted.push(one) === 1) queueMicrotask(ask);  // when all tiles of this turn have been made
}

// A tile that has gone waits for nothing.
function leave(tile) { coming.delete(tile); }

function ask() {
  let group = [], names = "", start = "";
  const send = () => { if (group.length) fetchGroup(group, `${start}?${names.slice(1)}`); [group, names] = [[], ""]; };
  for (const one of wanted) {
    const [, base, key, item, stamp] = ADDRESS.exec(one.address);
    const name = `&t=${item}.${stamp ?? ""}`;
    if (group.length === TOGETHER || names.length + name.length > LONGEST) send();
    start = `${base}/thumbs/${key}`;
    group.push(one);
    names += name;
  }
  wanted = [];
  send();
}

async function fetchGroup(group, address) {
  let found = [];
  try {
    const answer = await fetch(address);
    if (answer.ok) found = await answer.json();
  } catch { /* the server is gone; the tiles say that there is no image */ }
  const images = await Promise.all(group.map((_, place) => loaded(found[place])));
  for (const [place, one] of group.entries()) {
    if (coming.get(one.tile) !== one) continue;  // another image, or none, is wanted by now
    coming.delete(one.tile);
    if (images[place]) put(one.tile, images[place]); else one.failed();
  }
}

function loaded(content) {
  if (!content) return null;
  return new Promise((done) => {
    const image = new Image();
    image.decoding = "sync";
    image.addEventListener("load", () => done(image));
    image.addEventListener("error", () => done(null));
    image.src = content;
  });
}

function put(tile, image) {
  const before = tile.querySelector("img"), address = tile.dataset.thumb;
  image.alt = before.alt;
  image.className = "ready";
  image.hidden = false;  // another image of its tile may have failed
  before.replaceWith(image);
  kept.delete(address);
  kept.set(address, image);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
}
