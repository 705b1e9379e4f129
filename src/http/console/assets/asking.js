// Asking for a coupon until the answer is the true one. Asking again never costs a second coupon.

const WAIT_FIRST_S = 1;
const WAIT_MAX_S = 30;
/** Longer than a node lets anybody wait. */
const ANSWER_WITHIN_MS = 20_000;

/**
 * Asks for `coupon` on behalf of `member` until there is a final answer, which it gives as `{code, ...}`. `waits` is told
 * `{code, seconds, attempt}` before each wait. `signal` ends it.
 */
export async function askUntilAnswered(coupon, member, waits, signal) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await askOnce(coupon, member, signal);
    if (!answer.asksAgain) return answer;
    const seconds = waitOf(answer.retryAfter, attempt);
    waits({ code: answer.code, seconds: Math.ceil(seconds), attempt: attempt + 1 });
    await pause(seconds, signal);
  }
}

/**
 * How long to wait: at least as long as was said, more with each attempt, and never all at the same moment, for those
 * who were turned away together would come back together.
 */
function waitOf(retryAfter, attempt) {
  const backoff = Math.min(WAIT_FIRST_S * 1.5 ** (attempt - 1), WAIT_MAX_S);
  return (retryAfter ?? 0) + Math.random() * Math.max(backoff, 1);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(signal.reason);
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped, { once: true });
    setTimeout(() => {
      signal.removeEventListener("abort", stopped);
      resolve();
    }, seconds * 1_000);
  });
}

async function askOnce(coupon, member, signal) {
  let answer;
  let said;
  try {
    answer = await fetch(`/v1/coupons/${encodeURIComponent(coupon)}/issuances`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ member_id: member }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    said = await answer.json();
  } catch {
    signal.throwIfAborted();
    // It may have been decided or not: an answer that got lost is no "no".
    return { code: "unreachable", asksAgain: true };
  }
  if (answer.ok) return { code: answer.status === 201 ? "issued" : "again", issuance: said };
  const retryAfter = Number(answer.headers.get("retry-after")) || undefined;
  const asksAgain = answer.status === 429 || answer.status === 408 || answer.status >= 500;
  return { ...said, code: said.code ?? "refused", asksAgain, retryAfter, clockOff: clockOff(answer) };
}

/** How far the server's clock is ahead of this one's, in milliseconds, to the second. */
export function clockOff(answer) {
  const date = Date.parse(answer.headers.get("date") ?? "");
  return Number.isNaN(date) ? 0 : date - Date.now();
}
