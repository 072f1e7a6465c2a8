/** A file looked at from end to end: a model, a model with its result, or a certificate. */
import { etc, verifyAsync } from "@noble/ed25519";
import { evaluate } from "#evaluate";
import { canonical, list, maybe, must, named, object, parse, read } from "#json";
import { model } from "#model";
const [HOUR, KEY, PARTY, STRICT] = [3600, /^[\da-f]{64}$/, /^[a-z][a-z\d-]{0,31}$/, { zip215: false }];
const SIGNED = { document: object, signatures: named(16, PARTY, /^[\da-f]{128}$/) };
const CHAINED = { version: [2, 2], account: /^acc_[\da-f]{32}$/, number: [1, 1e15], previous: maybe(KEY) };
const SAID = { charters: list(64, SIGNED, 1), statements: list(256, SIGNED), missing: list(9, PARTY) };
const DRAWN = { declared: object, model: object, evaluation: object };
const CLAIM = { ...CHAINED, issuer: KEY, issued_at: [0, 1e15], ...SAID, ...DRAWN };
/** SHA-256 over tag and body, each behind its length in eight bytes. */
async function hash(tag: string, body: Uint8Array): Promise<string> {
  const sized = (part: Uint8Array) => part.length.toString(16).padStart(16, "0") + etc.bytesToHex(part);
  const both = etc.hexToBytes(sized(new TextEncoder().encode(`cohold/${tag}/v1`)) + sized(body));
  return etc.bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", both)));
}
async function verify({ document, signatures }: any, tag: string, by: string, key: string): Promise<string> {
  const message = await hash(tag, new TextEncoder().encode(canonical(document)));
  const [sign, it, of] = [signatures.get(by) ?? "0".repeat(128), message, key].map(etc.hexToBytes);
  return must(await verifyAsync(sign!, it!, of!, STRICT), `\`${by}\` has not signed this ${tag}`) && message;
}
/** What parties signed is read as it stands: what is not as it should be there counts for nothing. */
async function certificate(signed: any, trusted?: string, before?: Uint8Array, at?: number) {
  const claim = read(CLAIM, signed.document, "document");
  const { account, number, previous = null, issuer, issued_at, charters, statements } = claim;
  const digest = await verify(signed, "certificate", "issuer", issuer);
  const fingerprint = (await hash("identity-fingerprint", etc.hexToBytes(issuer))).slice(0, 32);
  must([issuer, fingerprint].includes(trusted ?? issuer), `the issuer is ${fingerprint}, not as expected`);
  const [age, last]: any = [(at ?? issued_at) - issued_at, before && (await inspect(before, issuer))];
  must(-HOUR <= age && age < 24 * HOUR, `document.issued_at is ${age} seconds ago: expired or of the future`);
  must(number > 1 === (previous !== null), "document.previous does not fit its number");
  must(!last || (last.number + 1 === number && last.digest === previous), "document.previous is another one");
  const { terms, key: { public_key, chain_code }, created_at, origin: how = 0 } = charters.at(-1).document;
  /** Whose each key is, and each label: the first under a name keeps it, a later one has a number. */
  const [owners, current] = [new Map<string, string>(), new Set<string>()];
  let [under, keys, turn]: [string | null, Map<string, string>, number] = [null, owners, 0];
  for (const [i, it] of charters.entries()) {
    const { version, epoch, previous = null, origin = 0, engine, terms, key } = it.document;
    const [{ account: of, parties }, was] = [terms, charters[i - 1]?.document ?? { engine }];
    const by = engine === was.engine || (canonical([terms, key]) !== canonical([was.terms, was.key]) && 0.5);
    const found = canonical([version, epoch, previous, of, key.public_key, key.chain_code, origin]);
    const next = canonical([i + 1, (turn += +by), under, account, public_key, chain_code, how]);
    must(found === next, `document.charters[${i}] is of another account or does not follow the one before`);
    keys = new Map(parties.map(({ party, identity }: any) => [party, identity]));
    must(new Set(keys.values()).size === parties.length && parties[1], `charter ${i + 1} has a key twice`);
    for (const [party, key] of keys) under = await verify(it, "charter", party, key);
    for (const { party, entity, identity } of parties.filter(({ identity }: any) => !owners.has(identity))) {
      const later = [...owners].map((_, n) => party.slice(0, 28) + (n ? `-${n + 1}` : ""));
      owners.set([party, ...later].find(label => !owners.has(label)), entity).set(identity, entity);
    }
  }
  for (const [i, statement] of statements.entries()) {
    const [said, place] = [statement.document, `document.statements[${i}]`];
    must(keys.has(said.party), `${place}: \`${said.party}\` is no party of the charter`);
    await verify(statement, "statement", said.party, keys.get(said.party)!);
    const isOfThis = canonical([said.account, said.charter]) === canonical([account, under]);
    must(isOfThis && said.epoch === turn, `${place} is of another account, charter or epoch`);
    must(!(said.party <= statements[i - 1]?.document.party), `${place} is out of order`);
    const times = [created_at, said.held_since, said.issued_at, issued_at];
    const isCurrent = issued_at < said.expires_at && said.expires_at - said.issued_at <= 24 * HOUR;
    if (isCurrent && times.every((time, i) => (times[i - 1] ?? 0) <= time + HOUR)) current.add(said.party);
  }
  const silent = [...keys.keys()].sort().filter(party => !current.has(party));
  must(`${silent}` === `${claim.missing}`, `document.missing is not who gave no current word: ${silent}`);
  const it = recompute(claim.model, claim.evaluation);
  must(it.model.account === account, "document.model is of another account");
  const [{ atoms, entities: its }, role] = [it.model, new Map(Object.entries(terms.entities))];
  for (const name of [...role.keys(), ...its.keys()])
    must((its.get(name)?.role === (role.get(name) ?? "user")) === role.has(name), `\`${name}\` changed role`);
  for (const [label, entity] of owners)
    must((atoms.get(label)?.entity ?? entity) === entity, `\`${label}\` is not of \`${entity}\` in it`);
  return { kind: "certificate", ...it, number, previous, digest, issuer, fingerprint, issued_at, silent };
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
  return certificate(read(SIGNED, json, "certificate"), issuer, previous, at);
}
