// The page in a real browser, from file://: a file dropped, a file chosen, verdicts and refusals read back.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = new URL("../..", import.meta.url);
const model = readFileSync(new URL("crates/custody/tests/format/model.json", root), "utf8");
const evaluation = readFileSync(new URL("crates/custody/tests/format/evaluation.json", root), "utf8");
const folder = mkdtempSync(join(tmpdir(), "cohold-checker-"));
let browser;
let page;
const asked = [];

before(async () => {
  browser = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.COHOLD_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  page = await browser.newPage();
  page.on("request", request => asked.push(request.url()));
  await page.goto(pathToFileURL(new URL("checker/dist/page.html", root).pathname).href);
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function choose(name, text) {
  await page.setInputFiles("#file", { name, mimeType: "application/json", buffer: Buffer.from(text) });
  await page.waitForFunction(name => document.getElementById("state").textContent.match(new RegExp(`^${name} (holds|is)`)), name);
  return page.locator("#state").textContent();
}

test("a dropped model is evaluated", async () => {
  const transfer = await page.evaluateHandle(text => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], "dropped", { type: "application/json" }));
    return transfer;
  }, model);
  await page.dispatchEvent("#drop", "dragover", { dataTransfer: transfer });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await page.getByText("dropped holds: mpc self-custody.").waitFor();
  const report = (await page.locator("#report").textContent()).split("\n");
  assert.ok(report.includes("class:") && report.includes("    mpc self-custody"), report);
  const movers = report.slice(report.indexOf("move:") + 1, report.indexOf("recover:"));
  assert.deepEqual(movers.slice(0, 4), [
    "    coalition: cosigner, old-copy, seconds: 0, doubts: old-copy, evidence: asserted",
    "    coalition: cosigner, paper, seconds: 0, doubts: , evidence: signed",
    "    coalition: cosigner, phone, seconds: 0, doubts: , evidence: signed",
    "    coalition: paper, phone, seconds: 0, doubts: , evidence: signed",
  ]);
});

test("a result that was changed is refused", async () => {
  assert.equal(await choose("good", `{"model": ${model}, "evaluation": ${evaluation}}`), "good holds: mpc self-custody.");
  const changed = evaluation.replace('"exit_seconds": 0', '"exit_seconds": 1');
  assert.notEqual(changed, evaluation);
  const said = await choose("changed", `{"model": ${model}, "evaluation": ${changed}}`);
  assert.equal(said, "changed is REFUSED: evaluation.exit_seconds is not what the model gives.");
  assert.equal(await page.locator("#report").textContent(), "");
  assert.match(await choose("noise", "{"), /^noise is REFUSED: .*JSON/);
});

test("a certificate is verified, and only under the key that was asked for", async () => {
  const certificate = readFileSync(new URL("crates/custody/tests/extract/personal.certificate.json", root), "utf8");
  const issued = JSON.parse(certificate).document.issued_at;
  await page.clock.setFixedTime(new Date((issued + 24 * 3600) * 1000));
  assert.match(await choose("old", certificate), /^old is REFUSED: document.issued_at is 86400 seconds ago: expired/);
  await page.getByLabel(/as of the time of its issue/).check();
  assert.equal(await choose("cert", certificate), "cert holds: mpc self-custody.");
  assert.match(await page.locator("#report").textContent(), /number:\n {4}2\n[^]*fingerprint:\n {4}[0-9a-f]{32}\n/);
  await page.getByLabel(/Key of the issuer/).fill("0".repeat(64));
  assert.match(await choose("other", certificate), /^other is REFUSED: the issuer is [0-9a-f]{32}, not as expected/);
  await page.getByLabel(/as of the time of its issue/).uncheck();
  await page.getByLabel(/Key of the issuer/).fill("");
});

test("the page is used by keyboard and announces what it does", async () => {
  await page.reload();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "file");
  assert.equal(await page.locator("#state").getAttribute("role"), "status");
  assert.ok(await page.getByLabel(/Choose a certificate/).isVisible());
  assert.ok(await page.getByLabel(/Key of the issuer/).isVisible());
  assert.ok(await page.getByLabel(/as of the time of its issue/).isVisible());
});

test("the page asks nobody for anything", async () => {
  assert.deepEqual(
    asked.filter(url => !url.startsWith("file:") && !url.startsWith("data:")),
    [],
  );
  const refused = await page.evaluate(() => {
    const refusal = new Promise(done => addEventListener("securitypolicyviolation", event => done(event.violatedDirective)));
    fetch("http://127.0.0.1:9/").catch(() => undefined);
    return refusal;
  });
  assert.equal(refused, "connect-src");
});
