// Creates and updates elements. Text is always set as text, so that member ids and log lines never become markup.

/** Creates an element. `attributes` may contain attributes, and listeners such as `onclick`. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

/** Sets the text of `node` if it differs, so that selections stay and screen readers are not interrupted. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/**
 * Updates the children of `parent` to `items`, in their order. The element of an item stays the same, so that its buttons
 * keep the focus.
 */
export function keyed(parent, items, keyOf, make, update) {
  const children = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = children.get(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    children.delete(key);
    update(child, item);
    if (child === before) before = before.nextElementSibling;
    else parent.insertBefore(child, before);
  }
  for (const child of children.values()) child.remove();
}

/** The element with `data-part="name"` inside `parent`. */
export function part(parent, name) {
  return parent.querySelector(`[data-part="${name}"]`);
}
