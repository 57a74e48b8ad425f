// Words that are the book's, and the way to its chapters.

import { h } from "./dom.js";

const book = document.querySelector("meta[name=tinynet-book]")?.getAttribute("content") ?? "";

/** @type {Record<string, string>} */
const TITLES = {
  "tensors.html": "Tensors and shapes", "dense.html": "Dense: the weighted sum", "convolution.html": "Convolution",
  "pooling.html": "Pooling", "losses.html": "ReLU, softmax and cross-entropy",
  "backpropagation.html": "Backpropagation", "dropout.html": "Dropout", "optimizers.html": "Adam and its relatives",
  "training.html": "Training on MNIST, and what the curves say",
  "looking-inside.html": "Looking inside", "your-own-layer.html": "Your own layer", "augmentation.html": "Augmentation",
};

/**
 * Words that lead to a chapter where a book lies beside the page, and name it where none does.
 * @param {string} text
 * @param {string | null} file
 */
export function chapter(text, file) {
  if (!file) return h("span", {}, text);
  const name = TITLES[file.replace(/#.*/, "")] ?? file;
  if (!book) return h("span", { title: `In the book: ${name}` }, text);
  return h("a", { href: book + file, title: name }, text);
}

/**
 * The same as a line of its own.
 * @param {string | null} file
 */
export function more(file) {
  if (!file) return null;
  const name = TITLES[file.replace(/#.*/, "")] ?? file;
  return h("p", { class: "note" }, "In the book: ", book ? h("a", { href: book + file }, name) : h("i", {}, name));
}
