// Elements in one line each.

/** @typedef {Node | string | null | undefined | false} Child */

const ATTRIBUTES = ["class", "role", "for"];

/**
 * Make an element: `h("button", {class: "quiet", onclick: undo}, "Undo")`. A name with a dash is an attribute, as are
 * class, role and for; any other is a property.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [given]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    if (name.includes("-") || ATTRIBUTES.includes(name)) element.setAttribute(name, String(value));
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter(child => child || child === "")));
  return element;
}

/**
 * The element of this id, which index.html has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`No element #${id} in the page.`);
  return found;
}

/**
 * Write a text into an element that has nothing else, in place: only its own line is laid out anew, if that.
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  const line = element.firstChild;
  if (!line) element.append(text);
  else if (line.nodeValue !== text) line.nodeValue = text;
}

/**
 * Set an attribute or take it away.
 * @param {Element} element
 * @param {string} name
 * @param {boolean} on
 */
export function mark(element, name, on) {
  if (on) element.setAttribute(name, "");
  else element.removeAttribute(name);
}

/**
 * A choice of one out of a few, as buttons side by side.
 * @param {string} label   for screen readers
 * @param {{value: string, text: string, title?: string}[]} options
 * @param {(value: string) => void} choose
 * @returns {{element: HTMLElement, show: (value: string) => void}}
 */
export function choice(label, options, choose) {
  const buttons = options.map(({ value, text, title }) =>
    h("button", { type: "button", title, "data-option": value, "aria-pressed": "false", onclick: () => choose(value) },
      text));
  const element = h("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
  const show = (/** @type {string} */ value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.option === value));
  };
  return { element, show };
}
