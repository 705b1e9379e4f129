// Requests a coupon until there is a final result. A repeated request never issues a second coupon.

const WAIT_FIRST_S = 1;
const WAIT_MAX_S = 30;
/** Longer than the request timeout of a node. */
const RESPONSE_TIMEOUT_MS = 20_000;

/**
 * Requests `coupon` for `member` until there is a final result, and returns it as `{code, ...}`. Calls `onWait` with
 * `{code, seconds, attempt}` before each wait. `signal` aborts it.
 */
export async function requestUntilDecided(coupon, member, onWait, signal) {
  for (let attempt = 1; ; attempt += 1) {
    const result = await requestOnce(coupon, member, signal);
    if (!result.isRetryable) return result;
    const seconds = secondsToWait(result.retryAfter, attempt);
    onWait({ code: result.code, seconds: Math.ceil(seconds), attempt: attempt + 1 });
    await pause(seconds, signal);
  }
}

/**
 * `Retry-After` plus a random time that grows with each attempt. Without the random part, clients that were refused at the
 * same moment would come back at the same moment.
 */
function secondsToWait(retryAfter, attempt) {
  const backoff = Math.min(WAIT_FIRST_S * 1.5 ** (attempt - 1), WAIT_MAX_S);
  return (retryAfter ?? 0) + Math.random() * Math.max(backoff, 1);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, seconds * 1_000);
  });
}

async function requestOnce(coupon, member, signal) {
  let response;
  let body;
  try {
    response = await fetch(`/v1/coupons/${encodeURIComponent(coupon)}/issuances`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ member_id: member }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(RESPONSE_TIMEOUT_MS)]),
    });
    body = await response.json();
  } catch {
    signal.throwIfAborted();
    // A lost response is no rejection: the coupon may have been issued.
    return { code: "unreachable", isRetryable: true };
  }
  if (response.ok) return { code: response.status === 201 ? "issued" : "again", issuance: body };
  const retryAfter = Number(response.headers.get("retry-after")) || undefined;
  const isRetryable = response.status === 429 || response.status === 408 || response.status >= 500;
  return { ...body, code: body.code ?? "refused", isRetryable, retryAfter, clockOffset: clockOffset(response) };
}

/** Milliseconds by which the server's clock is ahead of the browser's, with a precision of a second. */
export function clockOffset(response) {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? 0 : date - Date.now();
}
