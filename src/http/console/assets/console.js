// The operators' console: receives snapshots, shows them, and makes operators' calls.

import { ask, askForToken, forgetToken, token } from "/assets/dialog.js";
import { setHidden, setText } from "/assets/dom.js";
import { watch } from "/assets/events.js";
import * as views from "/assets/views.js";
import { bindLanguageButtons, time, words } from "/assets/words.js";

const at = (id) => document.getElementById(id);

/** Shortest time between two reads of the lists: a node reads dead letters from the broker one by one. */
const LISTS_EVERY_MS = 3_000;
/** A snapshot arrives every second. Without one for this long the console does not call itself live. */
const STALE_MS = 6_000;

let snapshot;
let connection = { state: "connecting" };
let receivedAt = 0;
let isTokenWrong = false;
let needsToken = false;
const lists = { letters: [], conflicts: [], lost: [] };
/** The counts for which each list was last read. */
const listedCounts = {};
let listsReadAt = 0;

function headers() {
  return token() === null ? {} : { authorization: `Bearer ${token()}` };
}

/** The headers for the next connection. Asks for a token if the last connection was refused for want of one. */
async function streamHeaders() {
  if (needsToken) {
    await askForToken(isTokenWrong);
    needsToken = false;
  }
  return headers();
}

function onEvent({ data, lost }) {
  if (data !== undefined) {
    snapshot = data;
    receivedAt = Date.now();
    connection = { state: "live" };
    readListsIfChanged();
  } else {
    needsToken = lost === 401;
    if (needsToken) {
      isTokenWrong = token() !== null;
      forgetToken();
    }
    connection = { state: "lost", reason: lost };
  }
  show();
}

function isStale() {
  return connection.state === "live" && Date.now() - receivedAt > STALE_MS;
}

function connectionText() {
  const taken = snapshot === undefined ? undefined : { at: time(snapshot.at) };
  if (connection.state === "live") return isStale() ? words("connection.stale", taken) : words("connection.live");
  if (connection.state === "connecting" || connection.reason === 401) return words("connection.connecting");
  if (connection.reason === 403) return words("forbidden");
  if (connection.reason === 503) return words("connection.full");
  if (taken === undefined) return words("connection.never");
  return words(connection.reason === "goodbye" ? "connection.goodbye" : "connection.lost", taken);
}

function showConnection() {
  const state = isStale() ? "lost" : connection.state;
  const shape = { live: "●", lost: "⚠", connecting: "…" }[state];
  at("connection").dataset.state = state;
  setText(at("connection"), `${shape} ${connectionText()}`);
}

function show() {
  document.title = words("title");
  showConnection();
  setHidden(at("forget-token"), token() === null);
  setHidden(at("main"), snapshot === undefined);
  if (snapshot === undefined) return;
  const { engine, version, waiting } = snapshot;
  setText(at("node"), words("node.summary", { engine, version, waiting }));
  views.showCoupons(snapshot, act);
  views.showPipeline(snapshot);
  setHidden(at("letters-section"), snapshot.pipeline === null);
  setHidden(at("lost-section"), snapshot.pipeline === null);
  views.showLetters(lists.letters, act);
  views.showConflicts(lists.conflicts, act);
  views.showLost(lists.lost, act);
  views.showActors(snapshot.actors, act);
  views.showTroubles(snapshot.troubles);
}

/** A snapshot contains the numbers of dead letters, conflicts and losses. Reads each list if its number has changed. */
function readListsIfChanged() {
  const counts = {
    letters: snapshot.pipeline?.dead_letters ?? null, conflicts: snapshot.conflicts, lost: snapshot.lost,
  };
  const changed = Object.keys(counts).filter((name) => counts[name] !== null && counts[name] !== (listedCounts[name] ?? 0));
  if (changed.length === 0 || Date.now() - listsReadAt < LISTS_EVERY_MS) return;
  for (const name of changed) listedCounts[name] = counts[name];
  readLists(changed);
}

const LISTS = { letters: "dead-letters", conflicts: "conflicts", lost: "lost-numbers" };

async function readLists(names) {
  listsReadAt = Date.now();
  for (const name of names) {
    const { ok, body } = await call("GET", `/v1/admin/${LISTS[name]}`);
    // After a failure the next snapshot triggers another read.
    if (ok) lists[name] = body;
    else delete listedCounts[name];
  }
  show();
}

/** Makes a call, and returns `{ok, body, detail}`; `detail` is undefined if there was no response. */
async function call(method, path, body) {
  const contentType = body === undefined ? {} : { "content-type": "application/json" };
  try {
    const response = await fetch(path, {
      method, headers: { ...headers(), ...contentType }, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const json = await response.json();
    return { ok: response.ok, body: json, detail: json.detail ?? String(response.status) };
  } catch {
    return { ok: false };
  }
}

const letter = (id) => `/v1/admin/dead-letters/${encodeURIComponent(id)}`;
const coupon = (id, verb) => `/v1/coupons/${encodeURIComponent(id)}/${verb}`;

/**
 * The action of each button. `call` returns [method, path, body] for an id and the operator's input, `label` is the key of
 * the label of that input, and `list` is read again afterwards.
 */
const ACTIONS = {
  pause: { call: (id) => ["POST", coupon(id, "pause")] },
  resume: { call: (id) => ["POST", coupon(id, "resume")] },
  close: { call: (id) => ["POST", coupon(id, "close")] },
  restart: { call: (name) => ["POST", `/v1/admin/actors/${encodeURIComponent(name)}/restart`] },
  replay: { call: (id) => ["POST", `${letter(id)}/replay`], list: "letters" },
  discard: {
    label: "discard.reason", list: "letters",
    call: (id, reason) => ["DELETE", letter(id) + (reason ? `?reason=${encodeURIComponent(reason)}` : "")],
  },
  "replay.all": { call: () => ["POST", "/v1/admin/dead-letters/replay?limit=1000"], list: "letters" },
  settle: {
    label: "settle.note", required: true, list: "conflicts",
    call: (id, note) => ["POST", `/v1/admin/conflicts/${encodeURIComponent(id)}/settle`, { note }],
  },
  write_off: {
    label: "write_off.note", required: true, list: "lost",
    call: (id, note) => ["POST", `/v1/admin/lost-numbers/${encodeURIComponent(id)}/write-off`,
      { count: lostCount(id), note }],
  },
};

function lostCount(id) {
  return lists.lost.find((loss) => loss.coupon_id === id)?.count ?? 0;
}

/** Asks for confirmation, makes the call of the action `key`, and shows the result. */
async function act(key, name = "") {
  const action = ACTIONS[key];
  const input = await ask({
    title: words(key), question: words(`${key}.ask`, { name, count: lostCount(name) }),
    label: action.label && words(action.label), required: action.required,
  });
  if (input === undefined) return;
  showToast(words("busy"));
  const { ok, body, detail } = await call(...action.call(name, input));
  if (ok) showToast(words(`${key === "replay.all" ? "replay" : key}.done`, { name, ...body }));
  else showToast(detail === undefined ? words("failed.unreachable") : words("failed", { detail }), true);
  if (action.list !== undefined) await readLists([action.list]);
}

/** Shows the result of an action for some seconds. Screen readers read it aloud. */
function showToast(text, isFailure = false) {
  at("toast").dataset.failure = isFailure;
  setText(at("toast"), text);
  clearTimeout(showToast.timer);
  showToast.timer = setTimeout(() => setText(at("toast"), ""), isFailure ? 20_000 : 6_000);
}

at("replay-all").addEventListener("click", () => act("replay.all"));
at("letters-refresh").addEventListener("click", () => readLists(["letters"]));
at("forget-token").addEventListener("click", () => {
  forgetToken();
  location.reload();
});
bindLanguageButtons(show);
show();
setInterval(showConnection, 1_000);
watch("/v1/admin/events", streamHeaders, onEvent);
