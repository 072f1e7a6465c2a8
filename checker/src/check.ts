#!/usr/bin/env node
/** The command: one file, or with `--lines` a file on each line of standard input. */
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { inspect } from "#certificate";
import { canonical, Refused } from "#json";
import { words } from "#words";

const HELP = `usage: check FILE [--json] [--issuer KEY]

Checks a custody certificate, or evaluates a model file, without a network. \`-\` is standard input.
Exit codes: 0 it holds, 1 it does not, 2 the words of the command make no sense.

Examples:
  node checker/dist/check.js cert.json
  node checker/dist/check.js cert.json --issuer 0f3c… --json`;

type Answer = { exit: number; json: string; text: string };

const failed = (exit: number, code: string, message: string): Answer => {
  return { exit, json: canonical({ ok: false, error: { code, message } }), text: `error: ${message}` };
};

async function check(file: Uint8Array, issuer?: string): Promise<Answer> {
  try {
    const report = await inspect(file, issuer);
    const { model, ...rest } = report;
    const lines = words(report).map(([heading, lines]) => [heading, ...lines.map(line => `  ${line}`)].join("\n"));
    return { exit: 0, json: canonical({ ok: true, account: model.account, ...rest }), text: lines.join("\n\n") };
  } catch (error) {
    if (error instanceof Refused) return failed(1, "refused", error.message);
    throw error;
  }
}

async function main(): Promise<Answer> {
  const words = { json: { type: "boolean" }, lines: { type: "boolean" }, help: { type: "boolean" }, issuer: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ options: words, allowPositionals: true });
  if (values.help) return { exit: 0, json: HELP, text: HELP };
  for await (const line of values.lines ? createInterface(process.stdin) : []) {
    console.log((await check(new TextEncoder().encode(line))).json);
  }
  if (values.lines) process.exit(0);
  if (positionals.length !== 1) return failed(2, "usage", `one FILE is needed\n\n${HELP}`);
  return await check(readFileSync(positionals[0] === "-" ? 0 : positionals[0]!), values.issuer);
}

Object.defineProperty(globalThis, "crypto", { value: globalThis.crypto ?? webcrypto });
const wantsJson = process.argv.includes("--json");
const answer = await main().catch((error: NodeJS.ErrnoException) => {
  return error.code?.startsWith("ERR_PARSE_ARGS") ? failed(2, "usage", error.message) : failed(1, "failed", String(error));
});
if (answer.exit !== 0) console.error(answer.text);
if (answer.exit === 0 || wantsJson) console.log(wantsJson ? answer.json : answer.text);
process.exitCode = answer.exit;
