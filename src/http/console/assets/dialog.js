// The two questions an operator is asked: for the token, and whether it is meant.

import { part, setHidden } from "/assets/dom.js";
import { words } from "/assets/words.js";

const TOKEN = "openrun.token";

export function token() {
  return sessionStorage.getItem(TOKEN);
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN);
}

/** Opens `dialog` and gives what was entered when its form is sent, or undefined if it was given up. */
function opened(dialog, value) {
  const form = dialog.querySelector("form");
  const cancel = part(dialog, "cancel");
  return new Promise((resolve) => {
    const finish = (answer) => {
      form.onsubmit = dialog.oncancel = null;
      if (dialog.open) dialog.close();
      resolve(answer);
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

/** Asks for the token until one is given. */
export async function askForToken(wasWrong) {
  const dialog = document.getElementById("token-dialog");
  const input = part(dialog, "input");
  setHidden(part(dialog, "wrong"), !wasWrong);
  input.value = "";
  for (;;) {
    const given = await opened(dialog, () => input.value.trim());
    if (given) {
      sessionStorage.setItem(TOKEN, given);
      return;
    }
  }
}

/**
 * Asks whether it is meant. With `label` there is a line to fill in, which must not be empty if `required`; gives that
 * line, or "" without one, or undefined if it is not meant.
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
  return opened(dialog, () => input.value.trim());
}
