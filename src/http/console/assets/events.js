// The stream of snapshots. `EventSource` can send no header, and the token does not belong into an address; so the stream
// is read from an ordinary answer.

/** The server says something at least every five seconds: who hears nothing for longer has lost it. */
const SILENCE_MS = 12_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;

/**
 * Watches `path` for as long as the page is open. `hear` is told `{event, data}` for every event and `{lost: reason}`
 * whenever there is none to come: an HTTP status, "goodbye", or "silence". `headers` is asked before each try, and may
 * wait for the operator.
 */
export async function watch(path, headers, hear) {
  let retry = RETRY_FIRST_MS;
  for (;;) {
    const reason = await listen(path, await headers(), (event) => {
      retry = RETRY_FIRST_MS;
      hear(event);
    });
    hear({ lost: reason });
    if (reason !== 401) await pause(retry * (0.5 + Math.random() / 2));
    retry = Math.min(retry * 2, RETRY_MAX_MS);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Listens until it is over; says why it is. */
async function listen(path, headers, hear) {
  const stop = new AbortController();
  let alarm = setTimeout(() => stop.abort(), SILENCE_MS);
  let reason = "silence";
  try {
    const answer = await fetch(path, { headers, signal: stop.signal, cache: "no-store" });
    if (!answer.ok) return answer.status;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return reason;
      clearTimeout(alarm);
      alarm = setTimeout(() => stop.abort(), SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const event of blocks.map(parse).filter((event) => event.data !== undefined)) {
        if (event.event === "goodbye") reason = "goodbye";
        else hear(event);
      }
    }
  } catch {
    return reason;
  } finally {
    clearTimeout(alarm);
    stop.abort();
  }
}

/** One block of the stream; a comment has no data. */
function parse(block) {
  const event = {};
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event.event = line.slice(7);
    if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
  }
  return event;
}
