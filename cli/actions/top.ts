import { deployment } from "../../shared/api/v1/deployments/deployments.ts";
import { node } from "../../shared/api/v1/nodes/nodes.ts";
import { traffic } from "../../shared/api/v1/traffic.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { isMachineFormat, printRaw } from "../output/format.ts";
import type { CommandContext } from "../run.ts";
import { LiveTop } from "../top/live-top.ts";
import { type TopLook, topTables, totalLine } from "../top/tables.ts";

export interface TopOptions {
  readonly once?: boolean;
  readonly limit: number;
}

export type TopSubject = "nodes" | "deployments";

/** `skerry top`: load, rate and latency now; on a terminal it goes on until Ctrl-C. */
export async function showTop(run: CommandContext, what: TopSubject | undefined, options: TopOptions): Promise<void> {
  const api = await run.api();
  const { format } = run.globals;
  if (isMachineFormat(format)) {
    const { body } = await api.get("/api/v1/traffic", { loads: "true" });
    return printRaw(run.output, format, body);
  }
  const look = { limit: options.limit, format, paint: run.output.paint };
  const isLive = run.output.liveData && options.once !== true && format !== "name";
  if (isLive) return new LiveTop({ run, api, what, look }).follow();
  run.output.data(await picture(api, what, look));
}

async function picture(api: ApiClient, what: TopSubject | undefined, look: TopLook): Promise<string> {
  const measured = decode(traffic, (await api.get("/api/v1/traffic", { loads: "true" })).body, "figures of traffic");
  const deployments = what === "nodes" ? undefined : await readList(api, "/api/v1/deployments", deployment);
  const nodes = what === "deployments" ? undefined : await readList(api, "/api/v1/nodes", node);
  const tables = topTables({ deployments: deployments?.items, nodes: nodes?.items, measured, sinceMs: 0 }, look);
  return [...(look.format === "name" ? [] : [totalLine(measured)]), ...tables].join("\n\n");
}
