// The page a member could press.

import { askUntilAnswered, clockOff } from "/assets/asking.js";
import { setHidden, setText } from "/assets/dom.js";
import { letSwitch, number, time, words, wordsIfAny } from "/assets/words.js";

const MEMBER = "openrun.member";
const LOOK_EVERY_MS = 3_000;
const SHAPES = { issued: "✓", again: "✓", sold_out: "■", closed: "✕", not_open: "◷" };
/** Answers after which nobody knows whether there is a coupon. */
const UNKNOWN = ["outcome_unknown", "unreachable", "ack_pending"];

const at = (id) => document.getElementById(id);
const couponId = decodeURIComponent(location.pathname.replace(/^\/try\//, ""));

let coupon;
/** Whether the last look failed; none has been made yet if undefined. */
let isUnreadable;
let answer;
let asking;
let aheadMs = 0;

function rememberedMember() {
  try {
    const known = localStorage.getItem(MEMBER);
    if (known) return known;
  } catch {
    // Without storage there is another id on each visit.
  }
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `guest-${[...random].map((part) => part.toString(36)).join("")}`;
}

function remember(member) {
  try {
    localStorage.setItem(MEMBER, member);
  } catch {
    // See above.
  }
}

/** Reads the coupon, so that the page can say what it is and how many are left. */
async function look() {
  try {
    const read = await fetch(`/v1/coupons/${encodeURIComponent(couponId)}`, { cache: "no-store" });
    if (read.ok) {
      coupon = await read.json();
      aheadMs = clockOff(read);
    } else if (read.status === 404) {
      answer ??= { code: "no_such_coupon" };
    }
    isUnreadable = !read.ok;
  } catch {
    isUnreadable = true;
  }
  show();
}

async function press() {
  const member = at("member").value;
  remember(member);
  asking = new AbortController();
  answer = { code: "asking" };
  show();
  const waits = (wait) => {
    answer = { ...wait, until: Date.now() + wait.seconds * 1_000, waits: true };
    show();
  };
  try {
    answer = await askUntilAnswered(couponId, member, waits, asking.signal);
    if (answer.code === "not_open") aheadMs = answer.clockOff;
  } catch {
    answer = undefined;
  }
  asking = undefined;
  show();
  at(answer?.issuance ? "copy" : "press").focus();
  look();
}

/** Milliseconds until the coupon opens, by the server's clock; 0 if it is open or nobody knows. */
function untilOpening() {
  const opens = answer?.code === "not_open" ? answer.opens_at : coupon?.state === "not_open" && coupon.opens_at;
  return opens ? Math.max(0, Date.parse(opens) - (Date.now() + aheadMs)) : 0;
}

function span(ms) {
  const seconds = Math.ceil(ms / 1_000);
  const parts = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function show() {
  document.title = `${coupon?.name ?? couponId} · openrun`;
  setText(at("name"), coupon?.name ?? couponId);
  setText(at("discount"), coupon?.discount ?? "");
  setText(at("left"), leftWords());
  const opensInMs = untilOpening();
  at("press").disabled = asking !== undefined || opensInMs > 0;
  at("member").disabled = asking !== undefined;
  setText(at("press"), opensInMs > 0 ? words("try.countdown", { left: span(opensInMs) }) : words("try.press"));
  showAnswer(opensInMs);
}

function leftWords() {
  if (coupon === undefined) return isUnreadable === undefined ? words("try.loading") : words("try.unreadable");
  const left = words("try.left", { remaining: number(coupon.remaining), total: number(coupon.total) });
  return `${left} · ${words(`state.${coupon.state}`)}`;
}

function showAnswer(opensInMs) {
  setHidden(at("answer"), answer === undefined);
  if (answer === undefined) return;
  const { code, issuance } = answer;
  const title = wordsIfAny(`try.${code}`) ?? words("try.refused");
  const isOpenNow = code === "not_open" && opensInMs === 0;
  at("answer").dataset.code = code;
  setText(at("answer-title"), `${SHAPES[code] ?? "…"} ${isOpenNow ? words("try.open_now") : title}`);
  setText(at("answer-explain"), isOpenNow ? "" : explanation());
  setHidden(at("code"), issuance === undefined);
  setHidden(at("copy"), issuance === undefined);
  setHidden(at("stop"), !answer.waits);
  setText(at("code"), issuance?.code ?? "");
}

function explanation() {
  const { code, issuance, waits, attempt, until, opens_at: opens, detail } = answer;
  if (waits) {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1_000));
    return words(UNKNOWN.includes(code) ? "try.unknown.explain" : "try.waiting.explain", { seconds, attempt });
  }
  if (issuance !== undefined) return words(`try.${code}.explain`, { sequence: number(issuance.sequence) });
  if (code === "not_open") return words("try.not_open.explain", { at: time(opens) });
  return wordsIfAny(`try.${code}.explain`) ?? detail ?? "";
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("press").disabled) press();
});
at("stop").addEventListener("click", () => asking?.abort());
at("copy").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(answer.issuance.code);
  setText(at("copy"), words("try.copied"));
});
at("member").value = rememberedMember();
letSwitch(show);
show();
look();
// Countdowns go on by the clock; the coupon is looked at again only where somebody looks at the page.
setInterval(show, 500);
setInterval(() => document.visibilityState === "visible" && look(), LOOK_EVERY_MS);
