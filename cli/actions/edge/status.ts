import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type NodeStream, nodeStreams } from "../../../shared/api/v1/nodes/streams.ts";
import { decode } from "../../api/client.ts";
import { printList, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import type { CommandContext } from "../../run.ts";

export interface EdgeStatusOptions {
  readonly at: string;
  readonly keyFile?: string;
}

const stateText = ({ state }: NodeStream, paint: Style): string =>
  state === "running" ? paint.good(state) : paint.warn(state);

const number = (header: string, of: (row: NodeStream) => number, wide = false) =>
  ({ header, value: (row: NodeStream) => String(of(row)), align: "right", ...(wide && { wide }) }) as const;

const view: View<NodeStream> = {
  name: ({ deployment, name }) => `${deployment}/${name}`,
  columns: [
    { header: "STREAM", value: ({ deployment, name }) => `${deployment}/${name}` },
    { header: "STATE", value: stateText },
    number("PRODUCED", (row) => row.produced),
    number("DELIVERED", (row) => row.delivered),
    number("DUPLICATE", (row) => row.deduplicated),
    number("EXPIRED", (row) => row.expired),
    number("DROPPED", (row) => row.dropped),
    number("WAITING", (row) => row.waiting),
    number("BYTES", (row) => row.waitingBytes, true),
    { header: "SOURCE", value: ({ source }) => source, wide: true },
    { header: "SINK", value: ({ sink }) => sink, wide: true },
    { header: "WHY", value: ({ reasons }) => reasons.join("; ") },
  ],
};

/** `skerry edge status`: asks a node itself, so it answers with the control plane away. */
export async function edgeStatus(run: CommandContext, { at, keyFile }: EdgeStatusOptions): Promise<void> {
  const { env, cwd } = run.processEnv;
  const apiKey =
    keyFile === undefined ? env["SKERRY_NODE_KEY"] : (await readFile(resolve(cwd, keyFile), "utf8")).trim();
  const api = run.apiFor({ server: at.replace(/\/+$/, ""), apiKey, source: "from --at" });
  const { body } = await api.get("/streams");
  const { streams } = decode(nodeStreams, body, "the streams of a node");
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: body,
    rows: streams,
    view,
    empty: `The node at ${at} runs no streams: no deployment on it declares any.`,
  });
}
