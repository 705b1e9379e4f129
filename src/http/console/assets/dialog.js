// The two dialogs of the console: one for the token, and one that confirms an action.

import { part, setHidden } from "/assets/dom.js";
import { words } from "/assets/words.js";

const TOKEN = "openrun.token";

export function token() {
  return sessionStorage.getItem(TOKEN);
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN);
}

/** Opens `dialog`. Resolves with `value()` when its form is submitted, or with undefined when it is cancelled. */
function open(dialog, value) {
  const form = dialog.querySelector("form");
  const cancel = part(dialog, "cancel");
  return new Promise((resolve) => {
    const finish = (result) => {
      form.onsubmit = dialog.oncancel = null;
      if (dialog.open) dialog.close();
      resolve(result);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      finish(value());
    };
    dialog.oncancel = () => finish(undefined);
    if (cancel !== null) cancel.onclick = () => finish(undefined);
    dialog.showModal();
  });
}

/** Asks for a token until the operator enters one. */
export async function askForToken(isWrong) {
  const dialog = document.getElementById("token-dialog");
  const input = part(dialog, "input");
  setHidden(part(dialog, "wrong"), !isWrong);
  input.value = "";
  for (;;) {
    const entered = await open(dialog, () => input.value.trim());
    if (entered) {
      sessionStorage.setItem(TOKEN, entered);
      return;
    }
  }
}

/**
 * Asks for confirmation and, with a `label`, for a line of text, which must not be empty if `required`. Resolves with that
 * line ("" without a label), or with undefined if the operator cancels.
 */
export function ask({ title, question, label, required }) {
  const dialog = document.getElementById("ask-dialog");
  const input = part(dialog, "input");
  part(dialog, "title").textContent = title;
  part(dialog, "question").textContent = question;
  part(dialog, "label").textContent = label ?? "";
  part(dialog, "yes").textContent = title;
  part(dialog, "cancel").textContent = words("cancel");
  setHidden(part(dialog, "field"), label === undefined);
  input.required = Boolean(label && required);
  input.value = "";
  return open(dialog, () => input.value.trim());
}
