import { type NodeStream, nodeStreams } from "../../../shared/api/v1/nodes/streams.ts";
import { decode } from "../../api/client.ts";
import { printList, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { count } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";
import { type NodeAddress, nodeApi, readStatus, statusSentence, waitingText } from "./node-address.ts";

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

/** `skerry edge status`: how a node does, in words, and what became of what its streams read. */
export async function edgeStatus(run: CommandContext, address: NodeAddress): Promise<void> {
  const api = await nodeApi(run, address);
  const { status } = await readStatus(api);
  const { body } = await api.get("/streams");
  const { streams } = decode(nodeStreams, body, "the streams of a node");
  const serving = status.placements.filter(({ serves }) => serves);
  const ready = serving.filter(({ state }) => state === "ready").length;
  run.output.say(statusSentence(status));
  run.output.say(`${ready} of ${count(serving.length, "model")} ready. Waiting: ${waitingText(status.waiting)}.`);
  await printList({
    output: run.output,
    format: run.globals.format,
    raw: body,
    rows: streams,
    view,
    empty: "It runs no streams: no deployment on it declares any.",
  });
}
