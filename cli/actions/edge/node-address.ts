import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { nodeStatus, type NodeStatus } from "../../../shared/api/v1/nodes/node-status.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { count, formatAge } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

export interface NodeAddress {
  readonly at: string;
  readonly keyFile?: string;
}

/** Asks a node itself by its own address, so it answers with the control plane away. */
export async function nodeApi(run: CommandContext, { at, keyFile }: NodeAddress): Promise<ApiClient> {
  const { env, cwd } = run.processEnv;
  const apiKey =
    keyFile === undefined ? env["SKERRY_NODE_KEY"] : (await readFile(resolve(cwd, keyFile), "utf8")).trim();
  return run.apiFor({ server: at.replace(/\/+$/, ""), apiKey, source: "from --at" });
}

/** What a node says of itself, as it came and as it is read. */
export async function readStatus(api: ApiClient): Promise<{ readonly raw: unknown; readonly status: NodeStatus }> {
  const { body } = await api.get("/status.json");
  return { raw: body, status: decode(nodeStatus, body, "the status of a node") };
}

/** `edge-a (edge, Skerry 0.1.0) runs for 3h. Connected for 5m, round trip 3 ms.` */
export function statusSentence({ name, kind, version, startedAgeMs, isDraining, link }: NodeStatus): string {
  const draining = isDraining ? " and is draining" : "";
  return `${name} (${kind}, Skerry ${version}) runs for ${formatAge(startedAgeMs)}${draining}. ${linkSentence(link)}`;
}

export function linkSentence({ state, ageMs, rttMs, lastFault }: NodeStatus["link"]): string {
  const why = lastFault === null ? "" : ` ${lastFault}`;
  switch (state) {
    case "connected":
      return `Connected for ${formatAge(ageMs)}${rttMs === null ? "" : `, round trip ${Math.round(rttMs)} ms`}.`;
    case "away":
      return `The control plane is away for ${formatAge(ageMs)}; the node serves on and dials again by itself.${why}`;
    case "waiting":
      return `An operator has to approve the node.${why}`;
    case "removed":
      return `The node was removed from its control plane; its models serve on.${why}`;
  }
}

/** `1 request in queues, 2 models on the way here, 3 items of streams`; "nothing" when nothing waits. */
export function waitingText({ requests, downloads, logLines, streamItems = 0 }: NodeStatus["waiting"]): string {
  const parts = [
    ...(requests > 0 ? [`${count(requests, "request")} in queues`] : []),
    ...(downloads > 0 ? [`${count(downloads, "model")} on the way here`] : []),
    ...(streamItems > 0 ? [`${count(streamItems, "item")} of streams`] : []),
    ...(logLines > 0 ? [`${count(logLines, "line")} of the log for the control plane`] : []),
  ];
  return parts.length === 0 ? "nothing" : parts.join(", ");
}
