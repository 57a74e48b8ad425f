// Answers requests to the page file's engine, in node: JSON in, JSON out.
import { readFileSync } from "node:fs";
import { LocalEngine } from "../../tinynet/explore/page/local/engine.js";

const answers = [];
for (const { file, requests } of JSON.parse(readFileSync(0, "utf8"))) {
  const engine = new LocalEngine(file), found = [];
  for (const [method, request] of requests) {
    found.push(await engine[method](request).catch((problem) => ({ error: problem.message })));
  }
  answers.push(structuredClone(found));           // as it is now: a later change writes into the model's own arrays
}
console.log(JSON.stringify(answers, (_, value) => (
  value?.data && value.shape ? { numbers: Array.from(value.data, (number) => (Number.isFinite(number) ? number : String(number))), shape: value.shape } : value)));
