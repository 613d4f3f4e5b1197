// Helps the search bar with what Streamlit's widgets cannot do. Receives {q, start, limit, collection}: the words that were
// searched, whether this is the start screen, how many MB an image may have, and a short name of the collection. An image
// that is pasted, or dropped anywhere, goes to the upload widget; "/" goes to the words; "?" shows the keys; recent searches
// are kept in this browser only, those of each collection for themselves. Reports "ask" with words.

const RECENT = "clipdex-recent", MOST = 12, SHOWN = 6;
const KEYS = {
  "Everywhere": [["/", "to the search box"], ["?", "these keys"], ["ctrl + v", "search with a copied image"], ["tab", "on to the next control"]],
  "Images": [
    ["arrows", "walk over them"], ["home, end", "to the first, to the last"], ["enter", "see one large"],
    ["s", "find similar"], ["+", "more like this"], ["-", "less like this"], ["c", "copy the path"],
    ["g", "show or hide near-duplicates"],
  ],
  "Selecting": [
    ["space", "select, or no longer"], ["shift + arrow", "select up to there"], ["shift + click", "select up to there"],
    ["ctrl + click", "select one"], ["ctrl + a", "select all"], ["esc", "select nothing"],
  ],
  "A large image": [
    ["← →", "the one before, the next"], ["+ -", "larger, smaller"], ["z", "close-up, and whole again"], ["0", "whole"],
    ["shift + arrows", "move the close-up"], ["c", "copy the path"], ["esc", "close"],
    ["r", "mark a part to search with"], ["r, then arrows", "move the box"], ["r, then shift + arrows", "its size"],
    ["r, then enter", "search with it; esc leaves"],
  ],
};
const UPLOADS = [".st-key-bar input[type=file]", ".st-key-describe input[type=file]"];

const listening = new WeakMap();

function recent(collection) {
  try {
    const kept = JSON.parse(localStorage.getItem(`${RECENT}-${collection}`) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch { return []; }
}

function keep(words, collection) {
  try { localStorage.setItem(`${RECENT}-${collection}`, JSON.stringify(words)); } catch { /* a browser that keeps nothing */ }
}

const box = () => document.querySelector(".st-key-bar input[type=text]");

// Gives an image to the page's upload; says what is wrong with it otherwise.
function hand(files, refuse, limit) {
  const input = UPLOADS.map((one) => document.querySelector(one)).find(Boolean);
  const file = [...files].find((one) => one.type.startsWith("image/")) ?? files[0];
  if (!file || !input) return false;
  if (file.type && !file.type.startsWith("image/")) refuse(`${file.name} is not an image.`);
  else if (file.size > limit * 2 ** 20) refuse(`${file.name} has ${Math.ceil(file.size / 2 ** 20)} MB; at most ${limit} MB can be searched with.`);
  else {
    refuse("");
    const given = new DataTransfer();
    given.items.add(file);
    input.files = given.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  return true;
}

function listen(root, signal, limit) {
  const refuse = (text) => {
    const line = root.querySelector(".refused");
    line.textContent = text;
    line.hidden = !text;
  };
  const on = (name, then) => document.addEventListener(name, then, { signal });
  on("paste", (event) => { if (hand(event.clipboardData?.files ?? [], refuse, limit)) event.preventDefault(); });
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  on("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    document.body.classList.add("clipdex-drop");
  });
  for (const name of ["dragleave", "drop", "dragend"]) {
    on(name, (event) => { if (name !== "dragleave" || !event.relatedTarget) document.body.classList.remove("clipdex-drop"); });
  }
  on("drop", (event) => {
    if (!carries(event) || event.target.closest?.("[data-testid=stFileUploaderDropzone]")) return;
    event.preventDefault();
    hand(event.dataTransfer.files, refuse, limit);
  });
  on("keydown", (event) => {
    const at = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || at.matches?.("input:not([type=range]), textarea, [contenteditable=true]")) return;
    if (event.key === "/") { box()?.focus(); box()?.select(); event.preventDefault(); }
    if (event.key === "?") { root.querySelector("dialog").showModal(); event.preventDefault(); }
  });
}

function showRecent(root, data, report) {
  const words = recent(data.collection);
  const row = root.querySelector(".recent");
  row.replaceChildren();
  row.hidden = !data.start || !words.length;
  if (!row.hidden) {
    const said = document.createElement("span");
    said.textContent = "Recent";
    row.append(said, ...words.slice(0, SHOWN).map((one) => {
      const button = document.createElement("button");
      button.textContent = one;
      button.addEventListener("click", () => report("ask", one));
      return button;
    }));
    const forget = document.createElement("button");
    forget.className = "forget";
    forget.textContent = "Forget";
    forget.setAttribute("aria-label", "Forget recent searches");
    forget.addEventListener("click", () => { keep([], data.collection); showRecent(root, data, report); });
    row.append(forget);
  }
  let list = document.getElementById(RECENT);
  if (!list) document.body.append(list = Object.assign(document.createElement("datalist"), { id: RECENT }));
  list.replaceChildren(...words.map((one) => Object.assign(document.createElement("option"), { value: one })));
  box()?.setAttribute("list", RECENT);
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  if (data.q) keep([data.q, ...recent(data.collection).filter((one) => one !== data.q)].slice(0, MOST), data.collection);
  showRecent(root, data, setTriggerValue);
  const made = (name, text, ...inside) => {
    const one = Object.assign(document.createElement(name), { textContent: text });
    one.append(...inside);
    return one;
  };
  root.querySelector(".keys").replaceChildren(...Object.entries(KEYS).map(([title, keys]) => made("section", "",
    made("h3", title), made("dl", "", ...keys.flatMap(([key, what]) => [made("dt", key), made("dd", what)])))));
  listening.get(root)?.abort();
  const controller = new AbortController();
  listening.set(root, controller);
  listen(root, controller.signal, data.limit);
  return () => controller.abort();
}
