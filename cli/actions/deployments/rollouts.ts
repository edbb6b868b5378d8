import { ENDED_PHASES, rollout, type Rollout, type RolloutNode } from "../../../shared/api/v1/rollouts/rollouts.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { watchList } from "../../api/watch-list.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { isMachineFormat, printList, printObject, printRaw, type View } from "../../output/format.ts";
import { LiveLines } from "../../output/live-lines.ts";
import type { Style } from "../../output/paint.ts";
import { formatSince } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { waitUntil } from "../../wait/wait-until.ts";

const pathOf = (name: string, verb = ""): string => `/api/v1/deployments/${encodeURIComponent(name)}/rollout${verb}`;
const isEnded = ({ phase }: Rollout): boolean => ENDED_PHASES.includes(phase);
const exitOf = (of: Rollout): ExitCode => (isEnded(of) && of.phase !== "promoted" ? EXIT.unmet : EXIT.ok);

/** Exit code 2 when the rollout ended without its new version. */
export async function rolloutStatus(
  run: CommandContext,
  name: string,
  options: { readonly watch?: boolean },
): Promise<ExitCode> {
  const api = await run.api();
  if (options.watch === true) await follow(run, api, name);
  const { body } = await api.get(pathOf(name));
  const found = decode(rollout, body, "a rollout");
  await printObject(run.output, run.globals.format, {
    raw: body,
    name: String(found.number),
    describe: () => describe(run, found),
  });
  return options.watch === true ? exitOf(found) : EXIT.ok;
}

const watched = {
  schema: rollout,
  selector: undefined,
  nameOf: ({ deployment }: Rollout) => deployment,
  lasting: (of: Rollout) => of,
  what: "rollouts",
} as const;

/** A line for the rollout and one for each node, until the rollout has ended. */
async function follow(run: CommandContext, api: ApiClient, name: string): Promise<void> {
  const lines = new LiveLines(run.output);
  const { wordPaint } = run.output;
  try {
    for await (const changes of watchList(run, api, { ...watched, path: pathOf(name) })) {
      const change = changes.at(-1);
      if (!change) continue;
      const { item: found, event } = change;
      lines.show(
        new Map([
          ["", `${phaseText(found, wordPaint)}  ${found.waitsFor?.sentence ?? found.reason}`],
          ...found.nodes.map((node): [string, string] => [node.nodeId, nodeLine(node, wordPaint)]),
        ]),
      );
      // Gone with its deployment: the next read says so.
      if (isEnded(found) || event === "deleted") return;
    }
  } finally {
    lines.end({ keep: false });
  }
}

function gateText({ findings, foundAt }: Rollout): string {
  const [first, ...others] = findings.map(({ sentence }) => sentence);
  if (first === undefined) return "";
  const age = foundAt === null ? "" : ` (${formatSince(foundAt, Date.now())} ago)`;
  return [`${first}${age}`, ...others].join("\n");
}

/** Of each wave that has passed, what the gate found then. */
const passedText = ({ passed }: Rollout): string =>
  passed
    .map(({ wave, at, findings }) => {
      const found = findings.map(({ sentence }) => sentence).join("; ");
      return `wave ${wave}, ${formatSince(at, Date.now())} ago${found === "" ? "" : `: ${found}`}`;
    })
    .join("\n");

const waitText = ({ sentence, since }: NonNullable<Rollout["waitsFor"]>): string =>
  `${sentence}, for ${formatSince(since, Date.now())}`;

const nodeLine = (node: RolloutNode, paint: Style): string =>
  `  ${node.node.padEnd(12)} wave ${node.wave}  ${nodeState(node, paint)}${node.why === null ? "" : `: ${node.why}`}`;

function nodeState({ state }: RolloutNode, paint: Style): string {
  if (state === "switched") return paint.good(state);
  return state === "failed" ? paint.bad(state) : state;
}

function phaseText({ phase }: Pick<Rollout, "phase">, paint: Style): string {
  if (phase === "promoted") return paint.good(phase);
  return ["rolled-back", "rolling-back", "paused"].includes(phase) ? paint.bad(phase) : paint.warn(phase);
}

async function describe(run: CommandContext, of: Rollout): Promise<string> {
  const { renderFields, renderTable } = await import("../../output/table.ts");
  const { paint } = run.output;
  const fields = renderFields(
    [
      ["Rollout", paint.strong(`${of.deployment} ${of.number}`)],
      ["Versions", `${of.model}:${of.from} → ${of.to}`],
      ["Strategy", of.strategy],
      ["Phase", `${phaseText(of, paint)} for ${formatSince(of.phaseAt, Date.now())}`],
      ["Why", of.reason],
      ["Waits", of.waitsFor === null ? "" : waitText(of.waitsFor)],
      [
        "Approved",
        of.approvals.map(({ stage, who, why }) => `${stage} by ${who}${why === null ? "" : `: ${why}`}`).join("\n"),
      ],
      ["Wave", `${of.wave} of ${of.waves.length}`],
      ["Requests", `${of.share} % to ${of.to}`],
      ["Begun", `${formatSince(of.beganAt, Date.now())} ago by ${of.by}`],
      ["Gate", gateText(of)],
      ["Passed", passedText(of)],
    ],
    paint,
  );
  const nodes = renderTable(
    of.nodes.toSorted((a, b) => a.wave - b.wave || (a.node < b.node ? -1 : 1)),
    [
      { header: "NODE", value: (row) => row.node },
      { header: "WAVE", value: (row) => String(row.wave), align: "right" },
      { header: "STATE", value: (row, with_) => nodeState(row, with_) },
      { header: "FOR", value: (row) => formatSince(row.since, Date.now()) },
      { header: "WHY", value: (row) => row.why ?? "" },
    ],
    { wide: false, paint },
  );
  const notes = renderTable(
    of.notes,
    [
      { header: "AGE", value: (row) => formatSince(row.at, Date.now()) },
      { header: "WHO", value: (row) => row.who },
      { header: "WHAT HAPPENED", value: (row) => row.what },
    ],
    { wide: false, paint },
  );
  return [fields, ...(of.nodes.length > 0 ? [nodes] : []), notes].join("\n\n");
}

export async function actOnRollout(
  run: CommandContext,
  { name, action, why }: { readonly name: string; readonly action: string; readonly why?: string },
): Promise<ExitCode> {
  const api = await run.api();
  const { body } = await api.post(pathOf(name, `/${action}`), why === undefined ? {} : { why });
  if (isMachineFormat(run.globals.format)) await printRaw(run.output, run.globals.format, body);
  const found = decode(rollout, body, "a rollout");
  run.output.say(`${found.reason}; the rollout is ${found.phase}`);
  const isWaited = run.globals.wait && action !== "pause";
  const ended = isWaited ? await untilEnded(run, api, name) : undefined;
  run.output.next(ended === undefined ? `rollout status ${name} -w` : `deployments get ${name}`);
  // An abort and an undo have what they want when the old version is back.
  if (ended === undefined || action === "abort" || action === "undo") return EXIT.ok;
  return exitOf(ended);
}

/** Exit code 2, by a failure that says where the rollout is, when it has not ended in time. */
async function untilEnded(run: CommandContext, api: ApiClient, name: string): Promise<Rollout> {
  const lines = new LiveLines(run.output);
  let last: Rollout | undefined;
  try {
    await waitUntil(run, async () => {
      last = decode(rollout, (await api.get(pathOf(name))).body, "a rollout");
      lines.show(
        new Map([["", `${phaseText(last, run.output.wordPaint)}  ${last.waitsFor?.sentence ?? last.reason}`]]),
      );
      return isEnded(last);
    });
  } catch (error) {
    if (!Error.isError(error) || error.name !== "WaitTimeout" || last === undefined) throw error;
    throw new CliFailure(EXIT.unmet, {
      what: `the rollout of ${name} has not ended after ${Math.round(run.waitTimeoutMs / 1000)} s`,
      why: [`it is ${last.phase}: ${last.waitsFor?.sentence ?? last.reason}`],
      fix: `look with \`skerry rollout status ${name} -w\`, or allow more time with \`--timeout\``,
    });
  } finally {
    lines.end({ keep: false });
  }
  if (last === undefined) throw new Error("a wait ended without an answer");
  return last;
}

const view: View<Rollout> = {
  name: (row) => String(row.number),
  columns: [
    { header: "NUMBER", value: (row) => String(row.number), align: "right" },
    { header: "VERSIONS", value: (row) => `${row.model}:${row.from} → ${row.to}` },
    { header: "STRATEGY", value: (row) => row.strategy },
    { header: "PHASE", value: phaseText },
    { header: "WAVE", value: (row) => `${row.wave}/${row.waves.length}`, align: "right" },
    { header: "BY", value: (row) => row.by },
    { header: "BEGUN", value: (row) => `${formatSince(row.beganAt, Date.now())} ago` },
    { header: "WHY", value: (row) => row.reason },
  ],
};

export async function rolloutHistory(run: CommandContext, name: string): Promise<void> {
  const { raw, items } = await readList(await run.api(), pathOf(name, "/history"), rollout);
  await printList({ output: run.output, format: run.globals.format, raw, rows: items, view, empty: "" });
}
