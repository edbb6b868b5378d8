import type { Deployment } from "../../shared/api/v1/deployments/deployments.ts";
import type { Node } from "../../shared/api/v1/nodes/nodes.ts";
import type { Traffic } from "../../shared/api/v1/traffic.ts";
import { nodeStateText } from "../actions/nodes/nodes.ts";
import type { Style } from "../output/paint.ts";
import { type Column, renderTable } from "../output/table.ts";
import { formatAge } from "../output/units.ts";
import { type DeploymentLoad, deploymentLoads, type NodeLoad, nodeLoads } from "./rows.ts";

export interface TopTables {
  /** Undefined: no table of them. */
  readonly deployments: readonly Deployment[] | undefined;
  readonly nodes: readonly Node[] | undefined;
  readonly measured: Traffic;
  /** How long ago `measured` was asked for, in ms. */
  readonly sinceMs: number;
}

export interface TopLook {
  /** Rows of each table. */
  readonly limit: number;
  readonly format: string;
  readonly paint: Style;
}

/** The tables of `skerry top`; with the format `name` only names. */
export function topTables({ deployments, nodes, measured, sinceMs }: TopTables, look: TopLook): readonly string[] {
  return [
    ...(deployments === undefined
      ? []
      : [
          table(deploymentLoads(deployments, measured), {
            columns: DEPLOYMENTS,
            none: "Nothing is deployed.",
            ...look,
          }),
        ]),
    ...(nodes === undefined
      ? []
      : [table(nodeLoads(nodes, measured), { columns: nodeColumns(sinceMs), none: "No node has joined.", ...look })]),
  ];
}

function table<Row extends { readonly name: string }>(
  rows: readonly Row[],
  {
    columns,
    none,
    limit,
    format,
    paint,
  }: TopLook & { readonly columns: readonly Column<Row>[]; readonly none: string },
): string {
  if (format === "name") return rows.map(({ name }) => name).join("\n");
  if (rows.length === 0) return none;
  const text = renderTable(rows.slice(0, limit), columns, { wide: format === "wide", paint });
  return rows.length > limit ? `${text}\n… ${rows.length - limit} more with less to do` : text;
}

/** All requests of the window in a line. */
export const totalLine = ({ total, seconds }: Traffic): string =>
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

/** `sinceMs`: how long ago the figures were asked for. */
const nodeColumns = (sinceMs: number): readonly Column<NodeLoad>[] => [
  { header: "NODE", value: ({ name }) => name },
  { header: "STATE", value: ({ node: of }, paint) => nodeStateText(of, paint) },
  {
    header: "CPU",
    value: ({ load }) => (load === undefined ? "" : `${Math.round(load.cpuPct)} %`),
    align: "right",
  },
  {
    header: "MEM FREE",
    value: ({ load }) => (load === undefined ? "" : `${Math.round(load.memFreeMiB)} MiB`),
    align: "right",
  },
  { header: "IN FLIGHT", value: ({ load }) => (load === undefined ? "" : String(load.inFlight)), align: "right" },
  ...TRAFFIC,
  { header: "LOAD IS", value: ({ load }) => (load === undefined ? "" : `${formatAge(load.ageMs + sinceMs)} old`) },
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
