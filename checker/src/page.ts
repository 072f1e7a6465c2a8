/** The page: a chosen or dropped file in, headings and lists out. */
import { inspect } from "#certificate";
import { words } from "#words";

const element = (id: string) => document.getElementById(id)!;
const [drop, input, issuer] = [element("drop"), element("file") as HTMLInputElement, element("issuer") as HTMLInputElement];

function tag(name: string, text: string, inner: HTMLElement[] = []): HTMLElement {
  const made = document.createElement(name);
  made.append(text, ...inner);
  return made;
}

async function show(file: File | undefined): Promise<void> {
  if (file === undefined) return;
  element("report").replaceChildren();
  element("state").textContent = `Checking ${file.name} …`;
  // The browser paints before the work begins.
  await new Promise(done => setTimeout(done, 30));
  try {
    const report = await inspect(new Uint8Array(await file.arrayBuffer()), issuer.value.trim() || undefined);
    const sections = words(report).map(([heading, lines]) => {
      const list = lines.map(line => tag("li", line));
      return tag("section", "", [tag("h2", heading), list.length > 0 ? tag("ul", "", list) : tag("p", "none")]);
    });
    element("report").replaceChildren(...sections);
    element("state").textContent = `${file.name} holds: ${report.evaluation.class}.`;
  } catch (error) {
    element("state").textContent = `${file.name} is REFUSED: ${(error as Error).message}.`;
  }
}

input.addEventListener("change", () => show(input.files?.[0]));
for (const name of ["dragover", "dragleave", "drop"]) {
  addEventListener(name, event => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") void show((event as DragEvent).dataTransfer?.files[0]);
  });
}
