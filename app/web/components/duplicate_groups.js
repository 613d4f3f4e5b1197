// Groups of copies, side by side. Receives {groups: [{number, keep, why, copies: [{id, thumb, name, where, facts}]}]}; reports
// "opened" with an id, and "keep" with the number of a group and the id to keep. Every text goes in as text.

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function makeCopy(copy, group, report) {
  const kept = copy.id === group.keep;
  const made = element("li", kept ? "copy kept" : "copy");
  made.dataset.id = copy.id;
  const look = element("button", "look");
  look.setAttribute("aria-label", `${kept ? "Keep: " : ""}${copy.name}, open large`);
  const image = element("img", "");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.addEventListener("error", () => { image.remove(); look.append(element("span", "gone", "This image cannot be shown")); });
  image.src = copy.thumb;
  look.append(image);
  if (kept) look.append(element("span", "badge", "Keep"));
  look.addEventListener("click", () => report("opened", copy.id));
  const text = element("div", "text");
  text.append(element("div", "name", copy.name));
  if (copy.where) text.append(element("div", "where", copy.where));
  text.append(element("div", "facts", copy.facts));
  const keep = element("button", "keep", "Keep this one");
  keep.setAttribute("aria-label", `Keep this one: ${copy.name}`);
  keep.hidden = kept;
  keep.addEventListener("click", () => report("keep", [group.number, copy.id]));
  made.append(look, text, keep);
  return made;
}

function makeGroup(group, report) {
  const made = element("li", `group ${group.copies.length > 6 ? "many" : group.copies.length > 3 ? "some" : ""}`);
  made.dataset.number = group.number;
  const why = element("p", "why");
  why.append(element("b", "", `${group.copies.length} images`), element("span", "", group.why));
  const copies = element("ul", "copies");
  copies.append(...group.copies.map((copy) => makeCopy(copy, group, report)));
  made.append(why, copies);
  return made;
}

const seen = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const list = parentElement.querySelector(".groups"), now = JSON.stringify(data);
  if (seen.get(parentElement) === now) return;  // nothing changed: what has the focus keeps it
  seen.set(parentElement, now);
  const focused = list.getRootNode().activeElement?.closest?.(".copy")?.dataset.id;
  list.replaceChildren(...data.groups.map((group) => makeGroup(group, setTriggerValue)));
  if (focused) [...list.querySelectorAll(".copy")].find((copy) => copy.dataset.id === focused)?.querySelector(".look").focus();
}
