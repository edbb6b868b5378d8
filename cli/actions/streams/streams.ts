import { deployment } from "../../../shared/api/v1/deployments/deployments.ts";
import { node } from "../../../shared/api/v1/nodes/nodes.ts";
import { decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { formatBytes } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { type FleetStream, fleetStreams, keyOf, type NodeRow, statesOf, sumOf } from "./fleet-streams.ts";

const COUNTS = [
  ["PRODUCED", ({ produced }: NodeRow) => produced],
  ["DELIVERED", ({ delivered }: NodeRow) => delivered],
  ["DUPLICATE", ({ deduplicated }: NodeRow) => deduplicated],
  ["EXPIRED", ({ expired }: NodeRow) => expired],
  ["DROPPED", ({ dropped }: NodeRow) => dropped],
  ["WAITING", ({ waiting }: NodeRow) => waiting],
] as const;

const view: View<FleetStream> = {
  name: keyOf,
  columns: [
    { header: "STREAM", value: keyOf },
    { header: "NODES", value: statesOf },
    ...COUNTS.map(([header, of]) => ({
      header,
      value: (row: FleetStream) => String(sumOf(row, of)),
      align: "right" as const,
      isMeasured: true,
    })),
    { header: "SOURCE", value: ({ declared }) => declared?.source ?? "", wide: true },
    { header: "SINK", value: ({ declared }) => declared?.sink ?? "", wide: true },
  ],
};

export const streamColumns: View<NodeRow>["columns"] = [
  {
    header: "STATE",
    value: ({ state }, paint: Style) => (state === "running" ? paint.good(state) : paint.warn(state)),
  },
  ...COUNTS.map(([header, of]) => ({ header, value: (row: NodeRow) => String(of(row)), align: "right" as const })),
  { header: "WHY", value: ({ reason }) => reason ?? "" },
];

/** `skerry streams ls`. */
export async function listStreams(run: CommandContext): Promise<void> {
  const rows = await readStreams(run);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: { items: rows, nextCursor: null },
    rows,
    view,
    empty: "No deployment declares a stream. docs/streams.md tells how.",
  });
}

/** `skerry streams get`. */
export async function getStream(run: CommandContext, name: string): Promise<void> {
  const found = await findStream(run, name);
  await printObject(run.output, run.globals.format, {
    raw: found,
    name: keyOf(found),
    describe: () => describe(found, run.output.paint),
  });
}

/** `skerry streams rm`: the deployment without it, on condition that nobody changed it since we looked. */
export async function removeStream(run: CommandContext, name: string): Promise<void> {
  const { deployment: of, declared } = await findStream(run, name);
  if (declared === undefined)
    throw new CliFailure(EXIT.notFound, {
      what: `the stream ${name} is declared no more`,
      fix: "nothing to do: its nodes deliver what they have and forget it then",
    });
  const api = await run.api();
  const path = `/api/v1/deployments/${encodeURIComponent(of)}`;
  const { body, headers } = await api.get(path);
  const { spec } = decode(deployment, body, "a deployment");
  const streams = (spec.streams ?? []).filter((stream) => stream.name !== declared.name);
  await api.put(path, { ...spec, streams }, headers.get("etag"));
  run.output.say(`the stream ${name} is taken away; its nodes deliver the results that they have and forget it then`);
  run.output.next("streams ls");
}

async function readStreams(run: CommandContext): Promise<readonly FleetStream[]> {
  const api = await run.api();
  const [deployments, nodes] = await Promise.all([
    readList(api, "/api/v1/deployments", deployment),
    readList(api, "/api/v1/nodes", node),
  ]);
  return fleetStreams(deployments.items, nodes.items);
}

async function findStream(run: CommandContext, name: string): Promise<FleetStream> {
  const found = (await readStreams(run)).find((each) => keyOf(each) === name);
  if (found !== undefined) return found;
  const fix = name.includes("/")
    ? "`skerry streams ls` lists them"
    : "name it DEPLOYMENT/STREAM, as `skerry streams ls` does";
  throw new CliFailure(EXIT.notFound, { what: `there is no stream ${name}`, fix });
}

async function describe(of: FleetStream, paint: Style): Promise<string> {
  const { renderFields, renderTable } = await import("../../output/table.ts");
  const { declared } = of;
  const fields = renderFields(
    [
      ["Stream", paint.strong(keyOf(of))],
      ["Declared", declared === undefined ? "no more; its nodes deliver what they have" : ""],
      ["Source", declared?.source ?? ""],
      ["Sink", declared?.sink ?? ""],
      ["Expires", declared === undefined ? "" : `after ${declared.expirySeconds} s`],
      ["Disk", declared === undefined ? "" : `${declared.maxMiB} MiB a node, ${declared.whenFull} when full`],
      ["Waits", formatBytes(sumOf(of, ({ waitingBytes }) => waitingBytes))],
    ],
    paint,
  );
  const columns = [{ header: "NODE", value: ({ node: name }: NodeRow) => name }, ...streamColumns];
  const table = renderTable(of.nodes, columns, { wide: true, paint });
  return [fields, of.nodes.length === 0 ? "No node has reported it." : table].join("\n\n");
}
