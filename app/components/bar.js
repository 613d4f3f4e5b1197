// Helps the search bar with what Streamlit's widgets cannot do. Receives {q, start}: the words that were searched, and
// whether this is the start screen. A picture that is pasted, or dropped anywhere, goes to the upload widget; "/" goes
// to the words; "?" shows the keys; recent searches are kept in this browser only. Reports "ask" with words.

const RECENT = "clipdex-recent", MOST = 12, SHOWN = 6;
const KEYS = [
  ["/", "to the search box"], ["?", "these keys"], ["arrows", "walk over the pictures"], ["enter", "see one large"],
  ["s", "find similar"], ["+ −", "more, less like this"], ["c", "copy the path"], ["space", "select"],
  ["shift + arrow, click", "select up to there"], ["ctrl + a", "select all"], ["esc", "select nothing, close"],
  ["← →", "previous, next large picture"], ["z", "zoom into the large picture"],
];

const listening = new WeakMap();

function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch { return []; }
}

function keep(words) {
  try { localStorage.setItem(RECENT, JSON.stringify(words)); } catch { /* a browser that keeps nothing */ }
}

const box = () => document.querySelector(".st-key-bar input[type=text]");

function hand(files) {
  const pictures = [...files].filter((file) => file.type.startsWith("image/"));
  const input = document.querySelector(".st-key-bar input[type=file]");
  if (!pictures.length || !input) return false;
  const given = new DataTransfer();
  given.items.add(pictures[0]);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}

function listen(root, signal) {
  const on = (name, then) => document.addEventListener(name, then, { signal });
  on("paste", (event) => { if (hand(event.clipboardData?.files ?? [])) event.preventDefault(); });
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
    hand(event.dataTransfer.files);
  });
  on("keydown", (event) => {
    const at = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || at.matches?.("input:not([type=range]), textarea, [contenteditable=true]")) return;
    if (event.key === "/") { box()?.focus(); box()?.select(); event.preventDefault(); }
    if (event.key === "?") { root.querySelector("dialog").showModal(); event.preventDefault(); }
  });
}

function showRecent(root, data, report) {
  const words = recent();
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
    forget.addEventListener("click", () => { keep([]); showRecent(root, data, report); });
    row.append(forget);
  }
  let list = document.getElementById(RECENT);
  if (!list) document.body.append(list = Object.assign(document.createElement("datalist"), { id: RECENT }));
  list.replaceChildren(...words.map((one) => Object.assign(document.createElement("option"), { value: one })));
  box()?.setAttribute("list", RECENT);
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  if (data.q) keep([data.q, ...recent().filter((one) => one !== data.q)].slice(0, MOST));
  showRecent(root, data, setTriggerValue);
  const table = root.querySelector("dl");
  table.replaceChildren(...KEYS.flatMap(([keys, what]) => [
    Object.assign(document.createElement("dt"), { textContent: keys }),
    Object.assign(document.createElement("dd"), { textContent: what }),
  ]));
  listening.get(root)?.abort();
  const controller = new AbortController();
  listening.set(root, controller);
  listen(root, controller.signal);
  return () => controller.abort();
}
