// The words of the pages, in the language that is wanted, and numbers and times as people there write them.

import { english } from "/assets/words-en.js";
import { korean } from "/assets/words-ko.js";

const LANGUAGES = { en: english, ko: korean };
const STORED = "openrun.language";

let language = stored() ?? preferred();

/** What was chosen before; without storage nothing was. */
function stored() {
  try {
    const chosen = localStorage.getItem(STORED);
    return chosen in LANGUAGES ? chosen : undefined;
  } catch {
    return undefined;
  }
}

/** The first language of the browser that there is, else the one that the server took it to want. */
function preferred() {
  const wanted = (navigator.languages ?? []).map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag in LANGUAGES) ?? document.documentElement.lang;
}

/** The words of `key`; `{name}` stands for `values.name`. A key without words shows itself. */
export function words(key, values = {}) {
  const text = LANGUAGES[language]?.[key] ?? english[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The words of `key`, or undefined. */
export function wordsIfAny(key) {
  return LANGUAGES[language]?.[key] ?? english[key];
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

export function percent(part, whole) {
  const share = whole === 0 ? 0 : part / whole;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(share);
}

export function time(text) {
  return new Date(text).toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
}

/** Puts words wherever the page says which: `data-words`, and `data-words-label` for what only screen readers say. */
export function putWords(root = document) {
  for (const node of root.querySelectorAll("[data-words]")) node.textContent = words(node.dataset.words);
  for (const node of root.querySelectorAll("[data-words-label]")) {
    node.setAttribute("aria-label", words(node.dataset.wordsLabel));
  }
}

/** Makes the page speak `wanted` from now on, here and on the next visit. */
function speak(wanted) {
  language = wanted;
  document.documentElement.lang = wanted;
  try {
    localStorage.setItem(STORED, wanted);
  } catch {
    // Without storage the choice holds for this visit.
  }
  putWords();
}

/** Makes the buttons `[data-language]` switch; `changed` is called after each switch. */
export function letSwitch(changed) {
  const buttons = document.querySelectorAll("[data-language]");
  const show = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.language === language);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      speak(button.dataset.language);
      show();
      changed();
    });
  }
  document.documentElement.lang = language;
  putWords();
  show();
}
