/** The page: a file chosen or dropped, a verdict and what it rests on out. */
import { inspect } from "#certificate";
const input = (id: string) => document.getElementById(id) as HTMLInputElement;
const say = (value: unknown) => JSON.stringify(value).replace(/["{}[\]]/g, "").replace(/[,:](?=\S)/g, "$& ");
async function show(file: File, at = input("dated").checked ? undefined : Date.now() / 1000) {
  input("report").textContent = "";
  const bytes = new Uint8Array(await file.arrayBuffer());
  await inspect(bytes, input("issuer").value.trim() || undefined, undefined, at).then(report => {
    const { model: { account }, evaluation: { powers, ...result }, ...checked } = report;
    input("report").textContent = Object.entries({ account, ...checked, ...result, ...powers })
      .map(([name, it]) => [`${name}:`, ...[it].flat().map(say)].join("\n    ")).join("\n");
    input("state").textContent = `${file.name} holds: ${result.class}.`;
  }, (error: Error) => (input("state").textContent = `${file.name} is REFUSED: ${error.message}.`));
}
input("file").addEventListener("change", () => show(input("file").files![0]!));
addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", event => (event.preventDefault(), show(event.dataTransfer!.files[0]!)));
