/** A file looked at from end to end: a model, a model with its result, or a certificate. */
import { etc, verifyAsync } from "@noble/ed25519";
import { evaluate } from "#evaluate";
import { canonical, list, maybe, must, named, object, parse, read } from "#json";
import { model } from "#model";
const [HOUR, KEY, PARTY] = [3600, /^[\da-f]{64}$/, /^[a-z][a-z\d-]{0,31}$/];
const SIGNED = { document: object, signatures: named(16, PARTY, /^[\da-f]{128}$/) };
const CHAINED = { version: [1, 1], account: /^acc_[\da-f]{32}$/, number: [1, 1e15], previous: maybe(KEY) };
const FACTS = { charter: SIGNED, statements: list(256, SIGNED), declared: object, missing: list(9, PARTY) };
const CLAIM = { ...CHAINED, issuer: KEY, issued_at: [0, 1e15], ...FACTS, model: object, evaluation: object };
/** SHA-256 over tag and body, each behind its length in eight bytes. */
async function digest(tag: string, body: Uint8Array): Promise<string> {
  const sized = (part: Uint8Array) => part.length.toString(16).padStart(16, "0") + etc.bytesToHex(part);
  const both = etc.hexToBytes(sized(new TextEncoder().encode(`cohold/${tag}/v1`)) + sized(body));
  return etc.bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", both)));
}
async function verify({ document, signatures }: any, tag: string, by: string, key: string): Promise<string> {
  const message = await digest(tag, new TextEncoder().encode(canonical(document)));
  const [signature, ...rest] = [signatures.get(by) ?? "0".repeat(128), message, key].map(etc.hexToBytes);
  const holds = await verifyAsync(signature!, rest[0]!, rest[1]!, { zip215: false });
  return must(holds, `\`${by}\` has not signed this ${tag}`) && message;
}
/** What parties signed is read as it stands: what is not as it should be there counts for nothing. */
async function certificate(file: unknown, trusted?: string, before?: Uint8Array, at?: number) {
  const signed = read(SIGNED, file, "certificate");
  const claim = read(CLAIM, signed.document, "document");
  const { account, number, previous = null, issuer, issued_at, charter, statements } = claim;
  const id = await verify(signed, "certificate", "issuer", issuer);
  const fingerprint = (await digest("identity-fingerprint", etc.hexToBytes(issuer))).slice(0, 32);
  must([issuer, fingerprint].includes(trusted ?? issuer), `the issuer is ${fingerprint}, not as expected`);
  const age = (at ?? issued_at) - issued_at;
  must(-HOUR <= age && age < 24 * HOUR, `document.issued_at is ${age} seconds ago: expired or of the future`);
  must(number > 1 === (previous !== null), "document.previous does not fit its number");
  const last: any = before && (await inspect(before, issuer));
  must(!last || (last.number + 1 === number && last.digest === previous), "document.previous is another one");
  const { terms, epoch, created_at } = charter.document;
  const keys = new Map<string, string>(terms.parties.map(({ party, identity }: any) => [party, identity]));
  must(new Set(keys.values()).size === terms.parties.length, "document.charter has a party or a key twice");
  let [under, silent] = ["", [...keys.keys()].sort()];
  for (const [party, key] of keys) under = await verify(charter, "charter", party, key);
  for (const [i, statement] of statements.entries()) {
    const [said, place] = [statement.document, `document.statements[${i}]`];
    must(keys.has(said.party), `${place}: \`${said.party}\` is no party of the charter`);
    await verify(statement, "statement", said.party, keys.get(said.party)!);
    const isOfThis = said.account === account && said.charter === under && said.epoch === epoch;
    must(isOfThis, `${place} is of another account, charter or epoch`);
    must(!(said.party <= statements[i - 1]?.document.party), `${place} is out of order`);
    const times = [created_at, said.held_since, said.issued_at, issued_at];
    const isInOrder = times.every((time, i) => i === 0 || times[i - 1] <= time + HOUR);
    const isCurrent = issued_at < said.expires_at && said.expires_at - said.issued_at <= 24 * HOUR;
    silent = silent.filter(party => party !== said.party || !isInOrder || !isCurrent);
  }
  must(`${silent}` === `${claim.missing}`, `document.missing is not who gave no current word: ${silent}`);
  const it = recompute(claim.model, claim.evaluation);
  const { atoms, entities } = it.model;
  must(terms.account === account && it.model.account === account, "charter or model of another account");
  for (const [name, role] of Object.entries(terms.entities))
    must(entities.get(name)?.role === role, `entity \`${name}\` is not ${role} in the model`);
  for (const [name, { role }] of entities)
    must(role !== "user" || role === terms.entities[name], `entity \`${name}\` is no user in the charter`);
  for (const { party, entity } of terms.parties)
    must((atoms.get(party)?.entity ?? entity) === entity, `\`${party}\` is not of \`${entity}\` in it`);
  return { kind: "certificate", ...it, number, previous, digest: id, issuer, fingerprint, issued_at, silent };
}
/** What follows from a model; a claim of it must be the same, traces aside, which are for people. */
function recompute(value: unknown, claimed?: any) {
  const [read, text] = [model(value), (part: unknown) => canonical(part ?? null, "trace")];
  const evaluation: any = evaluate(read);
  for (const key of Object.keys({ ...(claimed && evaluation), ...claimed }))
    must(text(evaluation[key]) === text(claimed[key]), `evaluation.${key} is not what the model gives`);
  return { model: read, evaluation };
}
/** `issuer` is a key or its fingerprint, `previous` the certificate before, `at` now; or else as issued. */
export async function inspect(file: Uint8Array, issuer?: string, previous?: Uint8Array, at?: number) {
  must(file.length <= 1 << 20, "the file has more than 1048576 bytes");
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file);
  const json = object(parse(text), "the file");
  if (!("document" in json)) return { kind: "model", ...recompute(json.model ?? json, json.evaluation) };
  must(text.replace(/\n$/, "") === canonical(json), "the certificate is not canonical (RFC 8785)");
  return certificate(json, issuer, previous, at);
}
