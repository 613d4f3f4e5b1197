// What `benchmarks/app.py` measures inside the page. Times are in milliseconds of the page's own clock.

const EVERY = 25; // milliseconds between two looks at what is answered

window.bench = {
  pressed: 0,
  before: "",

  listen() {
    this.pressed = performance.now();
    const onKey = (event) => { if (event.key === "Enter") this.pressed = performance.now(); };
    document.addEventListener("keydown", onKey, true);
  },

  // The grid lives in the shadow of its component.
  grid(root = document) {
    for (const one of root.querySelectorAll("*")) {
      if (one.matches(".grid")) return one;
      const inside = one.shadowRoot && this.grid(one.shadowRoot);
      if (inside) return inside;
    }
    return null;
  },

  // Since Enter was pressed, until the tiles answer another question than before and the images of the first are drawn.
  // Nothing that makes the browser lay out or draw is asked for meanwhile: in ten pages that took longer than the answers.
  painted(wanted) {
    return new Promise((done) => {
      let grid = null;
      const isWhole = (tiles) => tiles.length && tiles.every((tile) => tile.querySelector("img.ready"));
      const look = () => {
        if (!grid?.isConnected) grid = this.grid();
        const question = grid?.dataset.question;
        const tiles = question && question !== this.before ? [...grid.querySelectorAll(".tile")].slice(0, wanted) : [];
        if (!isWhole(tiles) || tiles[0].querySelector(".tag").hidden) return setTimeout(look, EVERY);
        this.before = question;
        return requestAnimationFrame(() => requestAnimationFrame(() => {
          done({ ms: performance.now() - this.pressed, count: tiles.length });
        }));
      };
      look();
    });
  },

  // Goes on by a third of the window every 100 ms, until as many results as are wanted have been in the window. The
  // longest that one of nine places in the window showed no image, or that there was nothing further to scroll to.
  scroll(wanted, patience) {
    const scroller = document.querySelector("[data-testid=stMain]");
    const grid = this.grid();
    const root = grid.getRootNode();
    const seen = new Set(), since = new Map();
    const began = performance.now();
    let longest = 0, last = 0, where = "";
    const blank = (what, is, now) => {
      if (!is) { since.delete(what); return; }
      if (!since.has(what)) since.set(what, now);
      if (now - since.get(what) > longest) { longest = now - since.get(what); where = what; }
    };
    const look = (now) => {
      const room = grid.getBoundingClientRect();
      for (const tile of grid.querySelectorAll(".tile")) {
        const box = tile.getBoundingClientRect();
        if (box.bottom > 0 && box.top < innerHeight) seen.add(tile.dataset.id);
      }
      for (const across of [0.2, 0.5, 0.8]) {
        for (const down of [0.25, 0.55, 0.9]) {
          const x = room.left + across * room.width, y = down * innerHeight;
          const image = root.elementFromPoint(x, y)?.closest?.(".tile")?.querySelector("img");
          const drawn = image?.complete && image.naturalWidth;
          blank(`${across}, ${down}`, y > room.top && !drawn, now);
        }
      }
      const end = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 4;
      blank("end", end && seen.size < wanted, now);
    };
    return new Promise((done) => {
      const step = (now) => {
        look(now);
        if (now - last > 100) { last = now; scroller.scrollBy(0, innerHeight / 3); }
        const over = seen.size >= wanted || now - began > patience;
        if (over) done({ longest, where, seen: seen.size, ms: now - began });
        else requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    });
  },
};
