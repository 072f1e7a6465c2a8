/** check FILE [--issuer KEY] [--previous FILE] [--at SECONDS]. Exit codes: 0 holds, 1 does not, 2 usage. */
import { readFileSync as read } from "node:fs";
import { parseArgs } from "node:util";
import { inspect } from "#certificate";
const [word, at] = [{ type: "string" }, { type: "string", default: `${Date.now() / 1000}` }] as const;
try {
  const given = parseArgs({ options: { issuer: word, previous: word, at }, allowPositionals: true });
  const { values: { issuer, previous: it, at: time }, positionals: [file = 0] } = given;
  const { model, ...report } = await inspect(read(file), issuer, it === undefined ? it : read(it), +time);
  console.log(JSON.stringify({ ok: true, account: model.account, ...report }, null, 2));
} catch (error) {
  const { message, code = "refused" } = error as NodeJS.ErrnoException;
  console.log(JSON.stringify({ ok: false, error: { code, message } }, null, 2));
  process.exitCode = code.startsWith("ERR_PARSE") ? 2 : 1;
}
