#!/usr/bin/env node
// Requests a coupon until there is a true answer. docs/clients.md explains the rules.
//
//   node ask.mjs SERVER COUPON MEMBER        such as: node ask.mjs http://127.0.0.1:8080 summer-drop kim
//
// Prints the answer. Exit code 0: the member holds a coupon. 1: none is available. 2: the request is wrong. 3: no true
// answer within ASK_PATIENCE_S (60) seconds; the outcome is unknown, and requesting again is right.
// Needs Node 18 or later; `ask` itself runs in browsers as well.

const REQUEST_TIMEOUT_MS = 10_000; // A node answers within 5 s; a later answer is lost.
const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 10_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const between = (least, most) => least + Math.random() * (most - least);

/** The kind of an answer: what to do next. */
function judge(status, code) {
  if (status === 200 || status === 201) return "issued";
  if (status === 409 && (code === "sold_out" || code === "closed")) return "none";
  if (code === "not_open" || status === 408 || status === 429 || status >= 500) return "again";
  return "wrong";
}

/** One request. No answer, or half of one, has the status 0. */
async function askOnce(server, coupon, member) {
  try {
    const response = await fetch(`${server}/v1/coupons/${encodeURIComponent(coupon)}/issuances`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ member_id: member }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const text = await response.text();
    const retryAfter = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
    let body = {};
    try {
      body = JSON.parse(text);
    } catch {
      // A proxy has answered. Only the status is known.
    }
    return { status: response.status, code: body.code, body, retryAfter };
  } catch {
    return { status: 0, body: {}, retryAfter: Number.NaN };
  }
}

/** Asks until there is a true answer or patience runs out. Gives { kind, body }; kind is issued, none, wrong or unknown. */
export async function ask(server, coupon, member, patienceMs = 60_000) {
  const giveUpAt = Date.now() + patienceMs;
  let backoff = BACKOFF_MS;
  for (let attempt = 1; Date.now() < giveUpAt; attempt += 1) {
    const answer = await askOnce(server, coupon, member);
    const kind = answer.status === 0 ? "again" : judge(answer.status, answer.code);
    if (kind !== "again") return { kind, body: answer.body };
    console.error(`ask: ${answer.code ?? `status ${answer.status}`}, attempt ${attempt}`);
    if (Number.isNaN(answer.retryAfter)) {
      await sleep(between(0, backoff));
      backoff = Math.min(backoff * 2, BACKOFF_MAX_MS);
    } else {
      // Not before the requested wait, and with jitter.
      await sleep(between(answer.retryAfter * 1_000, answer.retryAfter * 1_500));
    }
  }
  return { kind: "unknown", body: {} };
}

if (typeof process !== "undefined" && process.argv[1]?.endsWith("ask.mjs")) {
  const [server, coupon, member] = process.argv.slice(2);
  const patienceMs = Number(process.env.ASK_PATIENCE_S ?? 60) * 1_000;
  const { kind, body } = await ask(server, coupon, member, patienceMs);
  if (kind === "unknown") console.error("ask: no true answer yet, the outcome is unknown; run it again");
  else console.log(JSON.stringify(body));
  process.exitCode = { issued: 0, none: 1, wrong: 2, unknown: 3 }[kind];
}
