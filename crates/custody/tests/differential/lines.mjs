// A file on a line in, the second checker's answer on a line out. What is no refusal is a bug in it.
import { createInterface } from "node:readline";
import { inspect } from "../../../../checker/dist/certificate.js";

const failed = error => {
  const code = error.constructor === Error || error instanceof SyntaxError ? "refused" : "bug";
  return { ok: false, error: { code, message: error.message } };
};
for await (const line of createInterface(process.stdin)) {
  const passed = ({ model, ...report }) => ({ ok: true, account: model.account, ...report });
  console.log(JSON.stringify(await inspect(new TextEncoder().encode(line)).then(passed, failed)));
}
