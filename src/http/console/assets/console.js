// The operators' console: what is heard, what is shown, and what is done.

import { ask, askForToken, forgetToken, token } from "/assets/dialog.js";
import { setHidden, setText } from "/assets/dom.js";
import { watch } from "/assets/events.js";
import * as views from "/assets/views.js";
import { letSwitch, time, words } from "/assets/words.js";

const at = (id) => document.getElementById(id);

/** Letters are read from the broker one by one: not more often than this, whatever changes. */
const LISTS_EVERY_MS = 3_000;
/** A snapshot comes every second; after so much silence what is shown is no longer called live. */
const STALE_MS = 6_000;

let snapshot;
let connection = { state: "connecting" };
let heardAt = 0;
let tokenWasWrong = false;
let tokenIsWanted = false;
const lists = { letters: [], conflicts: [], lost: [] };
const counted = {};
let listsReadAt = 0;

function headers() {
  return token() === null ? {} : { authorization: `Bearer ${token()}` };
}

/** The headers for the next try; asks for the token first where the last one lacked it. */
async function headersForWatching() {
  if (tokenIsWanted) {
    await askForToken(tokenWasWrong);
    tokenIsWanted = false;
  }
  return headers();
}

function hear({ data, lost }) {
  if (data !== undefined) {
    snapshot = data;
    heardAt = Date.now();
    connection = { state: "live" };
    readListsIfChanged();
  } else {
    tokenIsWanted = lost === 401;
    if (tokenIsWanted) {
      tokenWasWrong = token() !== null;
      forgetToken();
    }
    connection = { state: "lost", reason: lost };
  }
  show();
}

function connectionWords() {
  const seen = snapshot === undefined ? undefined : { at: time(snapshot.at) };
  if (connection.state === "live") {
    return Date.now() - heardAt > STALE_MS ? words("connection.stale", seen) : words("connection.live");
  }
  if (connection.state === "connecting" || connection.reason === 401) return words("connection.connecting");
  if (connection.reason === 403) return words("forbidden");
  if (connection.reason === 503) return words("connection.full");
  if (seen === undefined) return words("connection.never");
  return words(connection.reason === "goodbye" ? "connection.goodbye" : "connection.lost", seen);
}

function showConnection() {
  const isStale = connection.state === "live" && Date.now() - heardAt > STALE_MS;
  const state = isStale ? "lost" : connection.state;
  const shape = { live: "●", lost: "⚠", connecting: "…" }[state];
  at("connection").dataset.state = state;
  setText(at("connection"), `${shape} ${connectionWords()}`);
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

/** Snapshots say how many letters, contradictions and losses there are; which ones is asked when that changes. */
function readListsIfChanged() {
  const counts = {
    letters: snapshot.pipeline?.dead_letters ?? null, conflicts: snapshot.conflicts, lost: snapshot.lost,
  };
  const changed = Object.keys(counts).filter((name) => counts[name] !== null && counts[name] !== (counted[name] ?? 0));
  if (changed.length === 0 || Date.now() - listsReadAt < LISTS_EVERY_MS) return;
  for (const name of changed) counted[name] = counts[name];
  readLists(changed);
}

const LISTS = { letters: "dead-letters", conflicts: "conflicts", lost: "lost-numbers" };

async function readLists(names) {
  listsReadAt = Date.now();
  for (const name of names) {
    const { ok, body } = await call("GET", `/v1/admin/${LISTS[name]}`);
    // What could not be read is read again with the next snapshot.
    if (ok) lists[name] = body;
    else delete counted[name];
  }
  show();
}

/** Makes a call; gives whether it went well, and what was answered or why it was not. */
async function call(method, path, body) {
  const sent = body === undefined ? {} : { "content-type": "application/json" };
  try {
    const answer = await fetch(path, {
      method, headers: { ...headers(), ...sent }, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const said = await answer.json();
    return { ok: answer.ok, body: said, detail: said.detail ?? String(answer.status) };
  } catch {
    return { ok: false };
  }
}

const letter = (id) => `/v1/admin/dead-letters/${encodeURIComponent(id)}`;
const coupon = (id, what) => `/v1/coupons/${encodeURIComponent(id)}/${what}`;

/** What each button asks, and the call it makes: [method, path, body] of the thing's name and what was written. */
const DEEDS = {
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
      { count: lostOf(id), note }],
  },
};

function lostOf(id) {
  return lists.lost.find((loss) => loss.coupon_id === id)?.count ?? 0;
}

/** Asks whether it is meant, does it, and says what came of it. */
async function act(what, name = "") {
  const deed = DEEDS[what];
  const written = await ask({
    title: words(what), question: words(`${what}.ask`, { name, count: lostOf(name) }),
    label: deed.label && words(deed.label), required: deed.required,
  });
  if (written === undefined) return;
  say(words("busy"));
  const { ok, body, detail } = await call(...deed.call(name, written));
  if (ok) say(words(`${what === "replay.all" ? "replay" : what}.done`, { name, ...body }));
  else say(detail === undefined ? words("failed.unreachable") : words("failed", { detail }), true);
  if (deed.list !== undefined) await readLists([deed.list]);
}

/** Says what came of something; screen readers hear it. */
function say(text, isFailure = false) {
  at("toast").dataset.failure = isFailure;
  setText(at("toast"), text);
  clearTimeout(say.alarm);
  say.alarm = setTimeout(() => setText(at("toast"), ""), isFailure ? 20_000 : 6_000);
}

at("replay-all").addEventListener("click", () => act("replay.all"));
at("letters-refresh").addEventListener("click", () => readLists(["letters"]));
at("forget-token").addEventListener("click", () => {
  forgetToken();
  location.reload();
});
letSwitch(show);
show();
setInterval(showConnection, 1_000);
watch("/v1/admin/events", headersForWatching, hear);
