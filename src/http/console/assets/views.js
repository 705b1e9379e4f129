// The views of a snapshot. Every state has its own shape and word, so that the console is usable without colours.

import { element, keyed, part, setHidden, setText } from "/assets/dom.js";
import { number, percent, time, words } from "/assets/words.js";

const SHAPES = {
  open: "▶", not_open: "◷", paused: "❚❚", sold_out: "■", closed: "✕", recovering: "↻",
  running: "✓", restarting: "↻", failed: "✗",
};

const at = (id) => document.getElementById(id);

function setState(node, state, word) {
  node.dataset.state = state;
  const [shape, text] = node.children;
  setText(shape, SHAPES[state] ?? "•");
  setText(text, word);
}

function stateNode() {
  const shape = element("span", { "aria-hidden": "true", class: "shape" });
  return element("span", { class: "state", "data-part": "state" }, shape, element("span"));
}

/** A button without text. Each update sets its text, because the language may have changed. */
function button(call, act) {
  return element("button", { type: "button", "data-part": call, onclick: act });
}

function setButton(parent, call, name) {
  const found = part(parent, call);
  setText(found, words(call));
  found.setAttribute("aria-label", words(`${call}.label`, { name }));
  return found;
}

export function showCoupons(snapshot, act) {
  const { coupons, coupons_left_out: leftOut, serves_api: servesApi } = snapshot;
  setHidden(at("no-api"), servesApi);
  setHidden(at("coupons-none"), coupons.length > 0);
  setHidden(at("coupons-left-out"), leftOut === 0);
  setText(at("coupons-left-out"), words("coupons.left_out", { count: number(leftOut) }));
  keyed(at("coupon-list"), coupons, (coupon) => coupon.id, (coupon) => makeCoupon(coupon, act),
    (node, coupon) => updateCoupon(node, coupon, servesApi));
}

function makeCoupon({ id }, act) {
  return element("li", { class: "card", "data-coupon": id },
    element("h3", { "data-part": "name" }),
    element("p", { class: "quiet id" }, id),
    element("p", {}, stateNode(), element("span", { class: "quiet", "data-part": "held" })),
    element("p", { class: "count" },
      element("strong", { "data-part": "remaining" }), " ", element("span", { "data-part": "left" })),
    element("progress", { "data-part": "bar" }),
    element("p", { "data-part": "progress" }),
    element("p", { "data-part": "rate" }),
    element("p", { class: "quiet", "data-part": "more" }),
    element("div", { class: "tools" },
      button("pause", () => act("pause", id)),
      button("resume", () => act("resume", id)),
      button("close", () => act("close", id)),
      element("a", { href: `/try/${encodeURIComponent(id)}`, target: "_blank", rel: "noopener", "data-part": "try" })));
}

function updateCoupon(node, coupon, servesApi) {
  const { id, name, state, lifecycle, total, issued, remaining } = coupon;
  const progress = words("coupon.progress",
    { issued: number(issued), total: number(total), share: percent(issued, total) });
  setText(part(node, "name"), name);
  setState(part(node, "state"), state, words(`state.${state}`));
  setText(part(node, "held"), state !== "paused" && lifecycle === "paused" ? ` (${words("lifecycle.paused")})` : "");
  setText(part(node, "remaining"), number(remaining));
  setText(part(node, "left"), words("coupon.left"));
  setText(part(node, "progress"), progress);
  const perSecond = coupon.issued_per_s;
  setText(part(node, "rate"), words("coupon.rate", { rate: perSecond === null ? words("unknown") : number(perSecond) }));
  setText(part(node, "more"), more(coupon));
  const bar = part(node, "bar");
  bar.max = total;
  bar.value = issued;
  bar.setAttribute("aria-label", progress);
  setHidden(setButton(node, "pause", id), !servesApi || lifecycle !== "active");
  setHidden(setButton(node, "resume", id), !servesApi || lifecycle !== "paused");
  setHidden(setButton(node, "close", id), !servesApi || lifecycle === "closed");
  setText(part(node, "try"), words("coupon.try"));
  setHidden(part(node, "try"), !servesApi);
}

function more({ state, opens_at: opens, closes_at: closes, outbox }) {
  const parts = [];
  if (state === "not_open") parts.push(words("coupon.opens", { at: time(opens) }));
  if (closes !== null && state !== "closed") parts.push(words("coupon.closes", { at: time(closes) }));
  if (outbox) parts.push(words("coupon.outbox", { count: number(outbox) }));
  return parts.join(" · ");
}

/** Shows the numbers on the way from the engine to the database, as tiles. */
export function showPipeline({ pipeline, conflicts, lost, waiting }) {
  setHidden(at("pipeline-none"), pipeline !== null);
  const stages = pipeline === null ? [] : [
    ["outbox", pipeline.outbox], ["queue", pipeline.queue], ["letters", pipeline.dead_letters], ["lost", lost],
  ];
  const tiles = [["waiting", waiting], ...stages, ["conflicts", conflicts]];
  const isTrouble = (name, value) => ["letters", "lost", "conflicts"].includes(name) && value > 0;
  keyed(at("tiles"), tiles, ([name]) => name,
    ([name]) => element("div", { class: "tile", "data-tile": name }, element("dt"), element("dd")),
    (node, [name, value]) => {
      setText(node.children[0], words(`pipeline.${name}`));
      setText(node.children[1], value === null ? words("unknown") : (isTrouble(name, value) ? "⚠ " : "") + number(value));
      node.children[1].title = value === null ? words("unknown.label") : "";
      node.dataset.trouble = isTrouble(name, value);
    });
}

export function showActors(actors, act) {
  setHidden(at("actors-silent"), actors !== null);
  keyed(at("actor-list"), actors ?? [], (actor) => actor.name, ({ name }) =>
    element("li", { class: "row", "data-actor": name },
      element("h3", {}, name),
      element("p", {}, stateNode()),
      element("p", { class: "quiet", "data-part": "counts" }),
      element("p", { class: "failure", "data-part": "failure" }),
      element("div", { class: "tools" }, button("restart", () => act("restart", name)))),
  (node, actor) => {
    setState(part(node, "state"), actor.state, words(`actor.${actor.state}`));
    setText(part(node, "counts"), `${words("actor.waiting")} ${number(actor.mailbox_depth)} · ` +
      `${words("actor.restarts")} ${number(actor.restarts)}`);
    setText(part(node, "failure"), actor.last_failure === null ? "" :
      `${words("actor.failure")}: ${actor.last_failure}`);
    setButton(node, "restart", actor.name);
  });
}

export function showTroubles(troubles) {
  setHidden(at("troubles-none"), troubles.length > 0);
  const keyOf = (trouble) => `${trouble.at} ${trouble.level} ${trouble.text}`;
  keyed(at("trouble-list"), distinct(troubles, keyOf), keyOf,
    ({ level }) => element("li", { class: "row", "data-level": level },
      element("p", { class: "quiet" }), element("p", { class: "said" })),
    (node, { at: when, level, text }) => {
      const shape = level === "error" ? "✗" : "⚠";
      setText(node.children[0], `${shape} ${words(`trouble.${level}`)} · ${time(when)}`);
      setText(node.children[1], text);
    });
}

/** Items without duplicates: `keyed` needs unique keys. */
function distinct(items, keyOf) {
  return [...new Map(items.map((item) => [keyOf(item), item])).values()];
}

export function showLetters(letters, act) {
  setHidden(at("letters-none"), letters.length > 0);
  setHidden(at("replay-all"), letters.length === 0);
  keyed(at("letter-list"), letters, (letter) => letter.id, ({ id }) =>
    element("li", { class: "row", "data-letter": id },
      element("h3", { class: "id" }, id), element("p"), element("p", { class: "failure" }),
      element("div", { class: "tools" },
        button("replay", () => act("replay", id)), button("discard", () => act("discard", id)))),
  (node, letter) => {
    const { coupon_id: coupon, member_id: member, sequence, copies } = letter;
    const about = words("letter.about", { coupon: coupon ?? "?", member: member ?? "?", sequence: sequence ?? "?" });
    setText(node.children[1], copies > 1 ? `${about} · ${words("letter.copies", { count: copies })}` : about);
    setText(node.children[2], `${letter.died_at ? `${time(letter.died_at)} · ` : ""}${letter.reason}`);
    setButton(node, "replay", letter.id);
    setButton(node, "discard", letter.id);
  });
}

export function showConflicts(conflicts, act) {
  setHidden(at("conflicts-none"), conflicts.length > 0);
  keyed(at("conflict-list"), conflicts, (conflict) => conflict.id, ({ id }) =>
    element("li", { class: "row", "data-conflict": id },
      element("h3", {}, `#${id}`), element("p"), element("p", { class: "failure" }),
      element("div", { class: "tools" }, button("settle", () => act("settle", id)))),
  (node, conflict) => {
    const { coupon_id: coupon, member_id: member, sequence } = conflict;
    setText(node.children[1], words("letter.about", { coupon, member, sequence }));
    setText(node.children[2], `${time(conflict.noticed_at)} · ${conflict.held}`);
    setButton(node, "settle", conflict.id);
  });
}

export function showLost(losses, act) {
  setHidden(at("lost-none"), losses.length > 0);
  keyed(at("lost-list"), losses, (loss) => loss.coupon_id, (loss) =>
    element("li", { class: "row", "data-lost": loss.coupon_id },
      element("h3", {}, loss.coupon_id), element("p"),
      element("div", { class: "tools" }, button("write_off", () => act("write_off", loss.coupon_id)))),
  (node, loss) => {
    const about = words("lost.about",
      { count: number(loss.count), first: number(loss.first), issued: number(loss.issued) });
    setText(node.children[1], loss.permitted ? `${about} · ${words("lost.permitted")}` : about);
    setHidden(setButton(node, "write_off", loss.coupon_id), loss.permitted);
  });
}
