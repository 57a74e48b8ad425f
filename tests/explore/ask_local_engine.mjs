// Answers requests to the page file's engine, in node: JSON in, JSON out. A browser would unpack a picture's file, so that
// "unpacked" takes the brightness of its pixels instead.
import { readFileSync } from "node:fs";
import { fromPicture } from "../../tinynet/explore/page/local/digit.js";
import { LocalEngine } from "../../tinynet/explore/page/local/engine.js";

function unpacked({ width, height, pixels }) {
  const { picture } = fromPicture({ width, height, pixels: Float64Array.from(pixels) }).at(-1);
  return { image: { data: picture.pixels, shape: [28, 28] } };
}

const answers = [];
for (const { file, requests } of JSON.parse(readFileSync(0, "utf8"))) {
  const engine = new LocalEngine(file), found = [];
  for (const [method, request] of requests) {
    const answer = async () => (method === "unpacked" ? unpacked(request) : engine[method](request));
    found.push(await answer().catch((problem) => ({ error: problem.message })));
  }
  answers.push(structuredClone(found));           // as it is now: a later change writes into the model's own arrays
}
console.log(JSON.stringify(answers, (_, value) => (
  value?.data && value.shape ? { numbers: Array.from(value.data, plain), shape: value.shape } : value)));

function plain(number) {
  return Number.isFinite(number) ? number : String(number);
}
