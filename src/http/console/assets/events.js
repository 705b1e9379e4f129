// The stream of snapshots, read from an ordinary response: `EventSource` cannot send headers, and a token must not be part
// of an address.

/** The server sends something at least every five seconds. After this time without data the connection counts as lost. */
const SILENCE_MS = 12_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;

/**
 * Reads the stream of `path` as long as the page is open, and reconnects. Calls `onEvent` with `{event, data}` for every
 * event and with `{lost: reason}` after each connection; the reason is an HTTP status, "goodbye" or "silence". Calls
 * `headers` before each connection; it may wait for the operator.
 */
export async function watch(path, headers, onEvent) {
  let retry = RETRY_FIRST_MS;
  for (;;) {
    const reason = await readStream(path, await headers(), (event) => {
      retry = RETRY_FIRST_MS;
      onEvent(event);
    });
    onEvent({ lost: reason });
    if (reason !== 401) await pause(retry * (0.5 + Math.random() / 2));
    retry = Math.min(retry * 2, RETRY_MAX_MS);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Reads one connection to its end, and returns the reason of the end. */
async function readStream(path, headers, onEvent) {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), SILENCE_MS);
  let reason = "silence";
  try {
    const response = await fetch(path, { headers, signal: abort.signal, cache: "no-store" });
    if (!response.ok) return response.status;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return reason;
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const event of blocks.map(parse).filter((event) => event.data !== undefined)) {
        if (event.event === "goodbye") reason = "goodbye";
        else onEvent(event);
      }
    }
  } catch {
    return reason;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Parses one block of the stream. A comment has no data. */
function parse(block) {
  const event = {};
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event.event = line.slice(7);
    if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
  }
  return event;
}
