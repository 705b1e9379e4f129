// The texts of the pages in the chosen language, and numbers and times in its format.

import { english } from "/assets/words-en.js";
import { korean } from "/assets/words-ko.js";

const LANGUAGES = { en: english, ko: korean };
const STORED = "openrun.language";

let language = stored() ?? preferred();

/** The language chosen on an earlier visit. */
function stored() {
  try {
    const tag = localStorage.getItem(STORED);
    return tag in LANGUAGES ? tag : undefined;
  } catch {
    return undefined;
  }
}

/** The first available language of the browser, otherwise the language that the server chose. */
function preferred() {
  const tags = (navigator.languages ?? []).map((tag) => tag.slice(0, 2).toLowerCase());
  return tags.find((tag) => tag in LANGUAGES) ?? document.documentElement.lang;
}

/** The text of `key`, with `{name}` replaced by `values.name`. A key without a text returns itself. */
export function words(key, values = {}) {
  const text = LANGUAGES[language]?.[key] ?? english[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text of `key`, or undefined. */
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

/** Sets the texts of all elements with `data-words`, and the labels for screen readers with `data-words-label`. */
function setTexts() {
  for (const node of document.querySelectorAll("[data-words]")) node.textContent = words(node.dataset.words);
  for (const node of document.querySelectorAll("[data-words-label]")) {
    node.setAttribute("aria-label", words(node.dataset.wordsLabel));
  }
}

/** Changes the language of the page, and stores it for the next visit. */
function setLanguage(tag) {
  language = tag;
  document.documentElement.lang = tag;
  try {
    localStorage.setItem(STORED, tag);
  } catch {
    // Without storage the choice is for this visit alone.
  }
  setTexts();
}

/** Makes the buttons with `data-language` change the language, and calls `onChange` after each change. */
export function bindLanguageButtons(onChange) {
  const buttons = document.querySelectorAll("[data-language]");
  const show = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.language === language);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      setLanguage(button.dataset.language);
      show();
      onChange();
    });
  }
  document.documentElement.lang = language;
  setTexts();
  show();
}
