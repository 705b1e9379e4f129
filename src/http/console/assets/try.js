// The page on which a member can try to get a coupon.

import { setHidden, setText } from "/assets/dom.js";
import { clockOffset, requestUntilDecided } from "/assets/issuing.js";
import { bindLanguageButtons, number, time, words, wordsIfAny } from "/assets/words.js";

const MEMBER = "openrun.member";
const LOAD_EVERY_MS = 3_000;
const SHAPES = { issued: "✓", again: "✓", sold_out: "■", closed: "✕", not_open: "◷" };
/** Codes after which a coupon may have been issued. */
const UNKNOWN = ["outcome_unknown", "unreachable", "ack_pending"];

const at = (id) => document.getElementById(id);
const couponId = decodeURIComponent(location.pathname.replace(/^\/try\//, ""));

let coupon;
/** Whether the coupon could not be loaded; undefined before the first attempt. */
let isUnreadable;
let answer;
/** The AbortController of the current request, if there is one. */
let request;
let clockOffsetMs = 0;

function rememberedMember() {
  try {
    const stored = localStorage.getItem(MEMBER);
    if (stored) return stored;
  } catch {
    // Without storage every visit gets a new id.
  }
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `guest-${[...random].map((part) => part.toString(36)).join("")}`;
}

function rememberMember(member) {
  try {
    localStorage.setItem(MEMBER, member);
  } catch {
    // See above.
  }
}

async function loadCoupon() {
  try {
    const response = await fetch(`/v1/coupons/${encodeURIComponent(couponId)}`, { cache: "no-store" });
    if (response.ok) {
      coupon = await response.json();
      clockOffsetMs = clockOffset(response);
    } else if (response.status === 404) {
      answer ??= { code: "no_such_coupon" };
    }
    isUnreadable = !response.ok;
  } catch {
    isUnreadable = true;
  }
  show();
}

async function requestCoupon() {
  const member = at("member").value;
  rememberMember(member);
  request = new AbortController();
  answer = { code: "asking" };
  show();
  const onWait = (wait) => {
    answer = { ...wait, until: Date.now() + wait.seconds * 1_000, isWaiting: true };
    show();
  };
  try {
    answer = await requestUntilDecided(couponId, member, onWait, request.signal);
    if (answer.code === "not_open") clockOffsetMs = answer.clockOffset;
  } catch {
    answer = undefined;
  }
  request = undefined;
  show();
  at(answer?.issuance ? "copy" : "press").focus();
  loadCoupon();
}

/** Milliseconds until the coupon opens, by the server's clock; 0 if it is open or not loaded. */
function msUntilOpening() {
  const opens = answer?.code === "not_open" ? answer.opens_at : coupon?.state === "not_open" && coupon.opens_at;
  return opens ? Math.max(0, Date.parse(opens) - (Date.now() + clockOffsetMs)) : 0;
}

function countdown(ms) {
  const seconds = Math.ceil(ms / 1_000);
  const units = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return units.map((unit) => String(unit).padStart(2, "0")).join(":");
}

function show() {
  document.title = `${coupon?.name ?? couponId} · openrun`;
  setText(at("name"), coupon?.name ?? couponId);
  setText(at("discount"), coupon?.discount ?? "");
  setText(at("left"), remainingText());
  const opensInMs = msUntilOpening();
  at("press").disabled = request !== undefined || opensInMs > 0;
  at("member").disabled = request !== undefined;
  setText(at("press"), opensInMs > 0 ? words("try.countdown", { left: countdown(opensInMs) }) : words("try.press"));
  showAnswer(opensInMs);
}

function remainingText() {
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
  setHidden(at("stop"), !answer.isWaiting);
  setText(at("code"), issuance?.code ?? "");
}

function explanation() {
  const { code, issuance, isWaiting, attempt, until, opens_at: opens, detail } = answer;
  if (isWaiting) {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1_000));
    return words(UNKNOWN.includes(code) ? "try.unknown.explain" : "try.waiting.explain", { seconds, attempt });
  }
  if (issuance !== undefined) return words(`try.${code}.explain`, { sequence: number(issuance.sequence) });
  if (code === "not_open") return words("try.not_open.explain", { at: time(opens) });
  return wordsIfAny(`try.${code}.explain`) ?? detail ?? "";
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("press").disabled) requestCoupon();
});
at("stop").addEventListener("click", () => request?.abort());
at("copy").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(answer.issuance.code);
  setText(at("copy"), words("try.copied"));
});
at("member").value = rememberedMember();
bindLanguageButtons(show);
show();
loadCoupon();
// Redraws the countdown, and reloads the coupon while the page is visible.
setInterval(show, 500);
setInterval(() => document.visibilityState === "visible" && loadCoupon(), LOAD_EVERY_MS);
