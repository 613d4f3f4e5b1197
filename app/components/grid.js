// Renders hits as rows of tiles. Receives {items: [{id, thumb, rank, score, caption, name, ratio}], open, scores}; reports
// "opened" or "similar" with an item's id. Every text goes in as text, never as HTML. Tiles that stay keep their
// element, so that more results or another large view neither reload nor move what is seen already.

const ICON = `<svg viewBox="0 0 24 24" width="17" height="17" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><rect x="8" y="8" width="13" height="13" rx="3"/>
  <path d="M16 4.5A2.5 2.5 0 0 0 13.5 3h-8A2.5 2.5 0 0 0 3 5.5v8A2.5 2.5 0 0 0 4.500 16"/></svg>`;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function makeTile(item, report) {
  const tile = element("li", "tile");
  tile.dataset.id = item.id;
  const look = element("button", "look");
  const image = element("img", "");
  image.loading = "lazy";
  image.decoding = "async";
  const gone = element("div", "gone", "This picture cannot be shown");
  gone.hidden = true;
  image.addEventListener("load", () => image.classList.add("ready"));
  image.addEventListener("error", () => { image.hidden = true; gone.hidden = false; });
  look.append(image, gone);
  look.addEventListener("click", () => report("opened", item.id));

  const similar = element("button", "similar");
  similar.innerHTML = ICON;
  similar.title = "Find similar";
  similar.addEventListener("click", () => report("similar", item.id));

  const foot = element("div", "foot");
  foot.append(element("span", "", item.caption || item.name));
  tile.append(look, similar, foot, element("div", "tag"));
  return tile;
}

function describe(tile, item, scores) {
  tile.style.setProperty("--ratio", item.ratio);
  const named = item.caption || item.name;
  const image = tile.querySelector("img");
  image.alt = named;
  // The address changes with the picture, also while its tile is on the screen.
  if (image.getAttribute("src") !== item.thumb) {
    image.hidden = false;
    tile.querySelector(".gone").hidden = true;
    image.src = item.thumb;
  }
  const place = scores ? `. Rank ${item.rank}, score ${item.score}` : "";
  tile.querySelector(".look").setAttribute("aria-label", named + place);
  tile.querySelector(".similar").setAttribute("aria-label", `Find pictures similar to: ${named}`);
  const tag = tile.querySelector(".tag");
  tag.hidden = !scores;
  const rank = element("b", "", String(item.rank));
  tag.replaceChildren(rank, document.createTextNode(item.score));
}

// Arrow keys walk over the tiles: left and right in order, up and down to the nearest tile of the next row.
function walk(grid, event) {
  const tile = event.target.closest?.(".tile");
  if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
  const tiles = [...grid.children];
  const at = tiles.indexOf(tile);
  const box = tile.getBoundingClientRect();
  const middle = box.left + box.width / 2;
  const inRow = (forward) => {
    const beyond = tiles.filter((other) => {
      const top = other.getBoundingClientRect().top;
      return forward ? top > box.top + 4 : top < box.top - 4;
    });
    if (!beyond.length) return undefined;
    const row = (forward ? beyond[0] : beyond[beyond.length - 1]).getBoundingClientRect().top;
    const distance = (other) => {
      const place = other.getBoundingClientRect();
      return Math.abs(place.left + place.width / 2 - middle);
    };
    return beyond
      .filter((other) => Math.abs(other.getBoundingClientRect().top - row) < 4)
      .sort((a, b) => distance(a) - distance(b))[0];
  };
  const next = {
    ArrowRight: () => tiles[at + 1],
    ArrowLeft: () => tiles[at - 1],
    ArrowDown: () => inRow(true),
    ArrowUp: () => inRow(false),
    Home: () => tiles[0],
    End: () => tiles[tiles.length - 1],
  }[event.key]?.();
  if (next) {
    event.preventDefault();
    next.querySelector(".look").focus();
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const grid = parentElement.querySelector(".grid");
  if (!grid.dataset.ready) {
    grid.dataset.ready = "yes";
    grid.addEventListener("keydown", (event) => walk(grid, event));
  }
  const kept = new Map([...grid.children].map((tile) => [tile.dataset.id, tile]));
  const tiles = data.items.map((item) => {
    const tile = kept.get(item.id) ?? makeTile(item, setTriggerValue);
    describe(tile, item, data.scores);
    tile.classList.toggle("open", item.id === data.open);
    return tile;
  });
  const same = tiles.length >= grid.children.length && [...grid.children].every((tile, at) => tile === tiles[at]);
  if (same) grid.append(...tiles.slice(grid.children.length));
  else grid.replaceChildren(...tiles);
}
