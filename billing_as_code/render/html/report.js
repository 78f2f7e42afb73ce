// Lists the changes of a plan: searched, filtered, grouped, linked to. It makes elements and text, never markup.
"use strict";

(() => {
  const CLASSES = ["breaking", "commercial", "safe"];
  const SYMBOLS = { create: "+", update: "~", replace: "\u00b1", delete: "-" };
  const FACETS = ["class", "action", "kind"];
  const FIRST = 25; // changes of a group, and then so many more at a time
  const MORE = 200;
  const GROUPS = 40;
  const OPEN = 10; // the first breaking changes stand open

  const changes = JSON.parse(document.getElementById("data").textContent);
  const byAddress = new Map(changes.map((change) => [change.address, change]));
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const status = document.getElementById("status");
  const search = document.getElementById("q");
  if (!form) return; // nothing to do, so nothing to list

  // -- elements ------------------------------------------------------------------------------------------------

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.filter((child) => child !== ""));
    return made;
  }

  const number = (value) => value.toLocaleString("en-US");
  const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

  // -- what is asked for -----------------------------------------------------------------------------------------

  function asked() {
    const data = new FormData(form);
    const wanted = { q: data.get("q").trim(), by: data.get("by") };
    for (const facet of FACETS) wanted[facet] = data.getAll(facet);
    return wanted;
  }

  function link(wanted, at) {
    const params = new URLSearchParams();
    for (const facet of FACETS) for (const value of wanted[facet]) params.append(facet, value);
    if (wanted.q) params.set("q", wanted.q);
    if (wanted.by !== "kind") params.set("by", wanted.by);
    if (at) params.set("at", at);
    return `#${params}`;
  }

  function take(params) {
    search.value = params.get("q") || "";
    for (const input of form.elements) {
      if (input.type === "checkbox") input.checked = params.getAll(input.name).includes(input.value);
      if (input.type === "radio") input.checked = input.value === (params.get("by") || "kind");
    }
  }

  const texts = new Map(); // what the search looks at, made when it is first needed

  function text(change) {
    if (!texts.has(change)) {
      const fields = (change.fields || []).flatMap((field) => field.slice(0, 3));
      const parts = [change.address, change.class, change.action, change.place || "", ...fields];
      texts.set(change, [...parts, ...(change.made || []), ...(change.said || [])].join("\n").toLowerCase());
    }
    return texts.get(change);
  }

  function matching(wanted) {
    const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (change) =>
      FACETS.every((facet) => !wanted[facet].length || wanted[facet].includes(change[facet])) &&
      (!words.length || words.every((word) => text(change).includes(word)));
    return changes.filter(fits);
  }

  // -- groups of changes -----------------------------------------------------------------------------------------

  function grouped(found, by) {
    const groups = new Map();
    for (const change of found) {
      const name = by === "whom" ? change.whom || "Everybody" : `${change.class}: ${change.kind}`;
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(change);
    }
    return [...groups]; // the changes are sorted, so that the first of a group is its worst
  }

  function group(name, some) {
    const rows = element("ul", { class: "changes" });
    const heading = element("h3", { class: some[0].class }, `${name} (${number(some.length)})`);
    const section = element("section", { class: "group" }, heading, rows);
    let shown = 0;
    const more = element("button", { type: "button", class: "more" });
    function show(count) {
      const next = some.slice(shown, shown + count);
      rows.append(...next.map(row));
      shown += next.length;
      if (shown < some.length) {
        more.textContent = `Show ${number(Math.min(MORE, some.length - shown))} more of ${number(some.length - shown)}`;
        section.append(more);
      } else more.remove();
      return next.length;
    }
    more.addEventListener("click", () => {
      const last = rows.lastElementChild;
      show(MORE);
      last.nextElementSibling.querySelector("summary").focus();
    });
    show(FIRST);
    return section;
  }

  // -- one change ------------------------------------------------------------------------------------------------

  function row(change) {
    const summary = element(
      "summary",
      {},
      element("span", { class: change.class }, change.class),
      " ",
      element("span", { class: `action ${change.action}` }, `${SYMBOLS[change.action]} ${change.action}`),
      " ",
      element("code", { class: "address" }, change.address),
      brief(change)
    );
    const details = element("details", { class: "change" }, summary);
    details.addEventListener("toggle", () => fill(details, change));
    return element("li", {}, details);
  }

  function brief(change) {
    const field = (change.fields || [])[0];
    if (!field) return "";
    const more = change.fields.length - 1;
    const rest = more ? `, and ${counted(more, "more field")}` : "";
    return element("span", { class: "brief" }, ` ${field[0]} ${field[1]} \u2192 ${field[2]}${rest}`);
  }

  function open(details) {
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
  }

  function fill(details, change) {
    if (!details.open || details.dataset.filled) return;
    details.dataset.filled = "yes";
    if (change.fields) details.append(fields(change.fields));
    if (change.made) details.append(element("p", { class: "made" }, change.made.join("\n")));
    for (const sentence of change.said || []) details.append(element("p", {}, `${sentence}.`));
    if (change.place) details.append(element("p", { class: "quiet" }, "Said in ", element("code", {}, change.place)));
    if (change.requests) details.append(requests(change.requests));
    const href = link(asked(), change.address);
    details.append(element("p", {}, element("a", { href }, `Link to ${change.address}`)));
  }

  function fields(some) {
    const names = ["field", "before", "after", ""];
    const head = element("tr", {}, ...names.map((name) => element(name ? "th" : "td", name ? { scope: "col" } : {}, name)));
    const body = some.map(([path, before, after, share, cls]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, element("code", {}, path)),
        element("td", {}, element("del", {}, before)),
        element("td", {}, element("ins", {}, after), share ? ` (${share})` : ""),
        element("td", {}, element("span", { class: cls }, cls))
      )
    );
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
    return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Fields" }, table);
  }

  function requests(some) {
    const shown = element("pre", { tabindex: "0" });
    const details = element("details", {}, element("summary", {}, counted(some.length, "request")), shown);
    details.addEventListener("toggle", () => (shown.textContent = some.join("\n\n")));
    return details;
  }

  // -- the list --------------------------------------------------------------------------------------------------

  function refresh() {
    const wanted = asked();
    const found = matching(wanted);
    const groups = grouped(found, wanted.by);
    const linked = byAddress.get(new URLSearchParams(location.hash.slice(1)).get("at"));
    const parts = linked ? [group("The linked change", [linked])] : [];
    parts.push(...groups.slice(0, GROUPS).map(([name, some]) => group(name, some)));
    if (groups.length > GROUPS) parts.push(rest(groups.slice(GROUPS)));
    list.replaceChildren(...parts);
    if (linked) open(list.querySelector("details"));
    for (const summary of [...list.querySelectorAll("summary > .breaking")].slice(0, OPEN)) open(summary.closest("details"));
    const numbers = CLASSES.map((cls) => [cls, found.filter((change) => change.class === cls).length]);
    const told = numbers.filter(([, some]) => some).map(([cls, some]) => `${number(some)} ${cls}`);
    status.textContent = `${number(found.length)} of ${counted(changes.length, "change")}${told.length ? ": " : ""}${told.join(", ")}`;
    return linked;
  }

  function rest(groups) {
    const text = () => `Show ${number(Math.min(GROUPS, groups.length))} more of ${counted(groups.length, "group")}`;
    const more = element("button", { type: "button", class: "more" }, text());
    more.addEventListener("click", () => {
      const next = groups.splice(0, GROUPS).map(([name, some]) => group(name, some));
      more.before(...next);
      if (groups.length) more.textContent = text();
      else more.remove();
      next[0].querySelector("summary").focus();
    });
    return more;
  }

  function remember() {
    try {
      history.replaceState(null, "", link(asked(), ""));
    } catch {
      // a page in a sandbox has no history: it works without links
    }
    refresh();
  }

  function follow() {
    if (["#changes", ""].includes(location.hash)) return;
    take(new URLSearchParams(location.hash.slice(1)));
    const linked = refresh();
    const to = linked ? list.querySelector("summary") : document.getElementById("changes");
    to.scrollIntoView({ block: linked ? "center" : "start" });
    to.focus({ preventScroll: true });
  }

  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(remember, 100);
  });
  form.addEventListener("reset", () => setTimeout(remember, 0));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".change > summary")) return;
    event.preventDefault();
    const all = [...list.querySelectorAll(".change > summary")];
    const next = all[all.indexOf(event.target) + step];
    if (next) next.focus();
    else if (step < 0) search.focus();
  });

  form.hidden = false;
  take(new URLSearchParams(location.hash.slice(1)));
  refresh();
  follow();
})();
