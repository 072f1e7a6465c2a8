/** What a report says, in sentences under headings: the command and the page show the same. */
import type { Report } from "#certificate";

const MEANING: Record<string, string> = {
  custodial: "one outside entity alone can take the funds, or change who can",
  "restricted custody": "one outside entity alone can move funds, but only to receivers agreed in advance",
  collusive: "no outsider alone, but several outsiders together can move the funds",
  "semi-custodial": "outsiders cannot move the funds; the user can without them, after a wait",
  hostage: "outsiders cannot move the funds, and neither can the user without them",
  "non-custodial": "outsiders can do nothing; the user can move the funds alone",
  "mpc self-custody": "outsiders can do nothing; the user can move the funds alone, and no single thing of the user's suffices",
};

const time = (seconds: number | null) => {
  const days = Math.floor((seconds ?? 0) / 86_400);
  const rest = [days && `${days} d`, (seconds ?? 0) % 86_400 && `${(seconds ?? 0) % 86_400} s`].filter(part => part).join(" ");
  return seconds === null ? "never" : seconds === 0 ? "at once" : `after ${rest}`;
};

export function words(report: Report): [heading: string, lines: string[]][] {
  const { model, evaluation } = report;
  const group = (names: string[]) => names.map(name => `${name} (${model.atoms.get(name)?.entity ?? "nobody's"})`).join(" with ");
  const groups = (sets: string[][]) => sets.map(set => group(set) || "nobody at all is needed");
  const ways = [...evaluation.powers].map(([power, ways]): [string, string[]] => [
    `Who reaches ${power}`,
    ways.map(({ coalition, seconds, evidence }) => `${group(coalition) || "anybody"}, ${time(seconds)}; known at best as ${evidence}`),
  ]);
  const alone = evaluation.blast.map(({ atom, reaches }) => {
    const powers = [...reaches].map(([power, seconds]) => `${power} ${time(seconds)}`);
    return `${group([atom])}: ${powers.join(", ") || "nothing"}`;
  });
  return [
    [`${evaluation.class.toUpperCase()}: ${MEANING[evaluation.class]}`, [`account ${model.account}`, `checked: ${report.checked}`]],
    ["The user without anybody else", [`can move the funds ${time(evaluation.exit_seconds)}`]],
    ["What outsiders lack: doubts that would let them", groups(evaluation.assuming)],
    ...ways,
    ["Who can freeze the funds", groups(evaluation.freeze)],
    ["What each thing alone reaches", alone],
  ];
}
