// What `benchmarks/app.py` measures inside the page. Times are in milliseconds of the page's own clock.

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

  // Since Enter was pressed, until the tiles answer another question than before and the pictures of the first are drawn.
  painted(wanted) {
    return new Promise((done) => {
      const look = () => {
        const grid = this.grid();
        const all = grid?.querySelector(".tag:not([hidden])") ? [...grid.querySelectorAll(".tile")] : [];
        const tiles = all.filter((tile) => tile.offsetParent).slice(0, wanted);
        const question = grid?.dataset.question;
        const whole = tiles.length && tiles.every((tile) => tile.querySelector("img").complete);
        if (!whole || question === this.before) return requestAnimationFrame(look);
        this.before = question;
        return requestAnimationFrame(() => done({ ms: performance.now() - this.pressed, count: tiles.length }));
      };
      look();
    });
  },

  // Goes on by a third of the window every 100 ms, to the end of as many results as are wanted. The longest that a tile
  // in the window had no picture, or that there was nothing further to scroll to although more is on its way.
  scroll(wanted, patience) {
    const scroller = document.querySelector("[data-testid=stMain]");
    const grid = this.grid();
    const since = new Map();
    const began = performance.now();
    let longest = 0, last = 0;
    const blank = (what, is, now) => {
      if (!is) { since.delete(what); return; }
      if (!since.has(what)) since.set(what, now);
      longest = Math.max(longest, now - since.get(what));
    };
    return new Promise((done) => {
      const step = (now) => {
        const tiles = [...grid.querySelectorAll(".tile")];
        let inside = 0;
        for (const tile of tiles) {
          const box = tile.getBoundingClientRect();
          if (box.bottom < 0 || box.top > innerHeight) { since.delete(tile); continue; }
          inside += 1;
          const image = tile.querySelector("img");
          blank(tile, !(image.complete && image.naturalWidth), now);
        }
        const end = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 4;
        blank("nothing", !inside || (end && tiles.length < wanted), now);
        if (now - last > 100) { last = now; scroller.scrollBy(0, innerHeight / 3); }
        const over = (end && tiles.length >= wanted) || now - began > patience;
        if (over) done({ longest, seen: tiles.length, ms: now - began });
        else requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    });
  },
};
