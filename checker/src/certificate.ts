/** A file looked at from end to end: a model, a model with its result, or a certificate. */
import { verifyAsync } from "@noble/ed25519";
import { evaluate } from "#evaluate";
import { attempt, canonical, parse, refuse, type Json } from "#json";
import { model, type Model } from "#model";
import { any, list, named, or, shape, text, whole, type Is } from "#shape";

export type Report = Awaited<ReturnType<typeof inspect>>;

const [BYTES_MAX, CLOCK_SECONDS_MAX, VALID_SECONDS_MAX] = [1 << 20, 3600, 25 * 3600];
const [ID, KEY, NAME] = [text(/^acc_[\da-f]{32}$/), text(/^[\da-f]{64}$/), /^[a-z][a-z\d-]{0,31}$/];
const [PARTY, SECONDS] = [text(NAME), whole(0, 2 ** 53 - 1)];
const SIGNED = shape({ document: any, signatures: named(16, NAME, text(/^[\da-f]{128}$/)) });
const FACTS = { charter: SIGNED, statements: list(256, SIGNED), declared: any, missing: list(9, PARTY) };
const HEAD = { version: whole(1, 1), account: ID, number: whole(1, 2 ** 53 - 1), previous: or(undefined, KEY), issued_at: SECONDS };
const CERTIFICATE = shape({ ...HEAD, issuer: KEY, ...FACTS, model: any, evaluation: any });
const CARD = shape({ party: PARTY, entity: PARTY, identity: KEY }, true);
const TERMS = shape({ account: ID, entities: named(9, NAME, text()), parties: list(9, CARD) }, true);
const CHARTER = shape({ terms: TERMS, epoch: SECONDS, created_at: SECONDS }, true);
const TIMES = { held_since: SECONDS, issued_at: SECONDS, expires_at: SECONDS };
const STATEMENT = shape({ account: ID, party: PARTY, charter: KEY, epoch: SECONDS, ...TIMES }, true);

const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
const bytes = (hex: string) => Uint8Array.from(hex.match(/../g)!, pair => parseInt(pair, 16));

/** SHA-256 over tag and body, each behind its length in eight bytes. */
async function digest(tag: string, body: Uint8Array): Promise<Uint8Array> {
  const sized = [new TextEncoder().encode(tag), body].flatMap(part => [bytes(part.length.toString(16).padStart(16, "0")), part]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(sized as BlobPart[]).arrayBuffer()));
}

async function verify(signed: Is<typeof SIGNED>, tag: string, by: string, key: string): Promise<string> {
  const message = await digest(tag, new TextEncoder().encode(canonical(signed.document)));
  const signature = bytes(signed.signatures.get(by) ?? "00");
  const holds = signature.length === 64 && (await verifyAsync(signature, message, bytes(key), { zip215: false }));
  return holds ? hex(message) : refuse(`\`${by}\` has not signed this ${tag.split("/")[1]}`);
}

/** What follows from a model; what the file claims of it must be the same, traces aside, which are for people. */
function recompute(read: Model, claimed?: Json) {
  const evaluation = evaluate(read);
  const own = new Map<string, unknown>(Object.entries(evaluation));
  const other = claimed === undefined ? own : claimed instanceof Map ? claimed : refuse("evaluation is not an object");
  const differs = (key: string) => canonical(own.get(key) ?? null, "trace") !== canonical(other.get(key) ?? null, "trace");
  const wrong = [...own.keys(), ...other.keys()].find(differs);
  return wrong === undefined ? { model: read, evaluation } : refuse(`evaluation.${wrong} is not what the model gives`);
}

async function certificate(file: Json, trusted?: string) {
  const signed = SIGNED(file, "certificate");
  const { account, number, previous, issued_at, issuer, ...facts } = CERTIFICATE(signed.document, "document");
  const fingerprint = hex(await digest("cohold/identity-fingerprint/v1", bytes(issuer))).slice(0, 32);
  if (![issuer, fingerprint].includes(trusted ?? issuer)) refuse(`the issuer is ${fingerprint}, not the one that was asked for`);
  const own = await verify(signed, "cohold/certificate/v1", "issuer", issuer);
  if ((number === 1) !== (previous === undefined)) refuse("document.previous does not fit its number");

  const { terms, epoch, created_at } = CHARTER(facts.charter.document, "document.charter.document");
  const cards = new Map(terms.parties.map(card => [card.party, card]));
  if (new Set(terms.parties.map(card => card.identity)).size !== cards.size) refuse("the charter has a party or key twice");
  let under = "";
  for (const { party, identity } of terms.parties) under = await verify(facts.charter, "cohold/charter/v1", party, identity);

  const current = new Set<string>();
  for (const [i, statement] of facts.statements.entries()) {
    const said = STATEMENT(statement.document, `document.statements[${i}].document`);
    const card = cards.get(said.party) ?? refuse(`\`${said.party}\` states, but is no party of the charter`);
    await verify(statement, "cohold/statement/v1", said.party, card.identity);
    const fits = said.account === account && said.charter === under && said.epoch === epoch;
    if (!fits) refuse(`the statement of \`${said.party}\` is of another account, charter or epoch`);
    const order = [created_at, said.held_since, said.issued_at, issued_at].every(
      (time, i, times) => (times[i - 1] ?? 0) <= time + CLOCK_SECONDS_MAX,
    );
    if (order && issued_at < said.expires_at && said.expires_at - said.issued_at <= VALID_SECONDS_MAX) current.add(said.party);
  }
  const silent = [...cards.keys()].filter(party => !current.has(party)).sort();
  if (`${silent}` !== `${facts.missing}`) refuse(`document.missing is not the list of those without a current word: ${silent}`);

  const read = model(facts.model);
  if (terms.account !== account || read.account !== account) refuse("charter or model is of another account");
  const roles = new Map([...read.entities].map(([name, { role }]) => [name, role]));
  for (const [name, role] of roles)
    if (role === "user" && !terms.entities.has(name)) refuse(`entity \`${name}\` is no user in the charter`);
  for (const [name, role] of terms.entities) if (roles.get(name) !== role) refuse(`entity \`${name}\` is not ${role} in the model`);
  for (const { party, entity } of terms.parties)
    if ((read.atoms.get(party)?.entity ?? entity) !== entity) refuse(`\`${party}\` is not of \`${entity}\` in the model`);
  const signatures = 1 + cards.size + facts.statements.length;
  const checked = `${signatures} signatures, form, times, roles, result; certificate ${number} of issuer ${fingerprint}; silent: ${silent.join(", ") || "nobody"}`;
  const head = { number, previous: previous ?? null, digest: own, issuer, fingerprint, issued_at };
  return { ...recompute(read, facts.evaluation), kind: "certificate", checked, ...head, silent };
}

/** `trusted` is the key, or its fingerprint, of the issuer to be believed; without it the report names both, to be compared. */
export async function inspect(file: Uint8Array, trusted?: string) {
  if (file.length > BYTES_MAX) refuse(`the file has more than ${BYTES_MAX} bytes`);
  const text = attempt("UTF-8", () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file));
  const json = parse(text);
  const fields = json instanceof Map ? json : refuse("the file is not an object");
  if (!fields.has("document")) {
    const claimed = fields.has("model") ? (fields.get("evaluation") ?? null) : undefined;
    const read = model(fields.get("model") ?? json);
    return { ...recompute(read, claimed), kind: "model", checked: claimed === undefined ? "no claim, only evaluated" : "the result" };
  }
  return text.replace(/\n$/, "") === canonical(json) ? certificate(json, trusted) : refuse("the certificate is not canonical (RFC 8785)");
}
