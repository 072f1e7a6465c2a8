// Puts the compiled modules into the page as data: addresses, so that one file works without a server or a network.
import { readFileSync, writeFileSync } from "node:fs";

const address = path => `data:text/javascript,${encodeURIComponent(readFileSync(path, "utf8"))}`;
const modules = ["json", "model", "evaluate", "certificate", "page"];
const imports = Object.fromEntries(modules.map(name => [`#${name}`, address(`dist/${name}.js`)]));
imports["@noble/ed25519"] = address("node_modules/@noble/ed25519/index.js");

const page = readFileSync("page.html", "utf8").replace("IMPORTS", () => JSON.stringify({ imports }));
writeFileSync("dist/page.html", page);
