import { deployment } from "../../shared/api/v1/deployments.ts";
import { node } from "../../shared/api/v1/nodes.ts";
import { traffic, type Traffic } from "../../shared/api/v1/traffic.ts";
import { sleep, systemClock } from "../../shared/base/clock.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { isMachineFormat, printRaw } from "../output/format.ts";
import { LiveTable } from "../output/live-table.ts";
import type { Style } from "../output/paint.ts";
import { type Column, renderTable } from "../output/table.ts";
import { formatAge } from "../output/units.ts";
import type { CommandContext } from "../run.ts";
import { type DeploymentLoad, deploymentLoads, type NodeLoad, nodeLoads } from "../top/rows.ts";
import { nodeStateText } from "./nodes/nodes.ts";

export interface TopOptions {
  readonly once?: boolean;
  readonly limit: number;
}

export type TopSubject = "nodes" | "deployments";

const REFRESH_MS = 2_000;

/** `skerry top`: load, rate and latency now; on a terminal it goes on until Ctrl-C. */
export async function showTop(run: CommandContext, what: TopSubject | undefined, options: TopOptions): Promise<void> {
  const api = await run.api();
  const { format } = run.globals;
  if (isMachineFormat(format)) {
    const { body } = await api.get("/api/v1/traffic");
    return printRaw(run.output, format, body);
  }
  const isLive = run.output.liveData && options.once !== true && format !== "name";
  if (!isLive) return run.output.data(await picture(run, api, { what, limit: options.limit }));
  const table = new LiveTable(run.output);
  for (;;) {
    const text = await picture(run, api, { what, limit: options.limit });
    table.draw(`${text}\n\n${run.output.paint.faint("every 2 s; Ctrl-C ends")}`);
    await sleep(systemClock, REFRESH_MS, run.signal);
  }
}

async function picture(
  run: CommandContext,
  api: ApiClient,
  { what, limit }: { readonly what: TopSubject | undefined; readonly limit: number },
): Promise<string> {
  const measured = decode(traffic, (await api.get("/api/v1/traffic")).body, "figures of traffic");
  const parts: string[] = [];
  if (what !== "nodes") {
    const { items } = await readList(api, "/api/v1/deployments", deployment);
    parts.push(
      cut(run, deploymentLoads(items, measured), { columns: DEPLOYMENTS, limit, none: "Nothing is deployed." }),
    );
  }
  if (what !== "deployments") {
    const { items } = await readList(api, "/api/v1/nodes", node);
    parts.push(cut(run, nodeLoads(items, measured), { columns: NODES, limit, none: "No node has joined." }));
  }
  return [totalLine(measured), ...parts].join("\n\n");
}

function cut<Row extends { readonly name: string }>(
  run: CommandContext,
  rows: readonly Row[],
  { columns, limit, none }: { readonly columns: readonly Column<Row>[]; readonly limit: number; readonly none: string },
): string {
  if (run.globals.format === "name") return rows.map(({ name }) => name).join("\n");
  if (rows.length === 0) return none;
  const wide = run.globals.format === "wide";
  const table = renderTable(rows.slice(0, limit), columns, { wide, paint: run.output.paint });
  return rows.length > limit ? `${table}\n… ${rows.length - limit} more with less to do` : table;
}

const totalLine = ({ total, seconds }: Traffic): string =>
  `${rate(total.ratePerS)} requests/s, ${rate(total.errorsPerS)} errors/s, p95 ${ms(total.p95Ms) || "–"}` +
  `${total.tokensPerS > 0 ? `, ${rate(total.tokensPerS)} tokens/s` : ""}` +
  ` in the last ${seconds} s, at the replica of the control plane that answers`;

type Measured = Pick<DeploymentLoad, "traffic">;

const TRAFFIC: readonly Column<Measured>[] = [
  { header: "RATE/S", value: ({ traffic: of }) => rate(of?.ratePerS ?? 0), align: "right" },
  {
    header: "ERRORS/S",
    value: ({ traffic: of }, paint) => (of && of.errorsPerS > 0 ? paint.bad(rate(of.errorsPerS)) : "0"),
    align: "right",
  },
  { header: "P50", value: ({ traffic: of }) => ms(of?.p50Ms), align: "right" },
  { header: "P95", value: ({ traffic: of }) => ms(of?.p95Ms), align: "right" },
  { header: "P99", value: ({ traffic: of }) => ms(of?.p99Ms), align: "right" },
  {
    header: "TOKENS/S",
    value: ({ traffic: of }) => (of && of.tokensPerS > 0 ? rate(of.tokensPerS) : ""),
    align: "right",
    wide: true,
  },
];

const DEPLOYMENTS: readonly Column<DeploymentLoad>[] = [
  { header: "DEPLOYMENT", value: ({ name }) => name },
  { header: "READY", value: readyText, align: "right" },
  ...TRAFFIC,
  { header: "PROMISE", value: promiseText, align: "right" },
];

const NODES: readonly Column<NodeLoad>[] = [
  { header: "NODE", value: ({ name }) => name },
  { header: "STATE", value: ({ node: of }, paint) => nodeStateText(of, paint) },
  {
    header: "CPU",
    value: ({ node: of }) => (of.load === null ? "" : `${Math.round(of.load.cpuPct)} %`),
    align: "right",
  },
  {
    header: "MEM FREE",
    value: ({ node: of }) => (of.load === null ? "" : `${Math.round(of.load.memFreeMiB)} MiB`),
    align: "right",
  },
  { header: "IN FLIGHT", value: ({ node: of }) => (of.load === null ? "" : String(of.load.rif)), align: "right" },
  ...TRAFFIC,
  { header: "LOAD IS", value: ({ node: of }) => (of.load === null ? "" : `${formatAge(of.load.ageMs)} old`) },
];

function readyText({ deployment: of }: DeploymentLoad): string {
  if (of === undefined) return "";
  const { edge, cloud } = of.status;
  return `${edge.ready + cloud.ready}/${edge.wanted + cloud.wanted}`;
}

/** The deployment's `slo.p95Ms`, in red while p95 is above it. */
function promiseText({ deployment: of, traffic: measured }: DeploymentLoad, paint: Style): string {
  const promised = of?.spec.slo?.p95Ms;
  if (promised === undefined) return "";
  const text = `p95 ≤ ${promised} ms`;
  const p95Ms = measured?.p95Ms ?? null;
  if (p95Ms === null) return text;
  return p95Ms > promised ? paint.bad(text) : paint.good(text);
}

const rate = (perS: number): string => (perS === 0 ? "0" : perS < 10 ? perS.toFixed(1) : String(Math.round(perS)));
const ms = (value: number | null | undefined): string =>
  value == null ? "" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
