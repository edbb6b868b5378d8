import { cloudPool, type CloudPoolInfo } from "../../../shared/api/v1/nodes/cloud-pools.ts";
import { type ApiClient, decode } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { isApiFailure } from "../../api/problem.ts";
import { printList, printObject, type View } from "../../output/format.ts";
import type { Style } from "../../output/paint.ts";
import { formatAge } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

const PATH = "/api/v1/cloud-pools";
export const pathOfPool = (name: string): string => `${PATH}/${encodeURIComponent(name)}`;

const podsOf = ({ pods }: CloudPoolInfo): string =>
  pods.map(({ name, state }) => (state === "ready" ? name : `${name} (${state})`)).join(", ");

const deploymentOf = ({ namespace, deployment }: CloudPoolInfo): string =>
  deployment === null ? "processes" : `${namespace}/${deployment}`;
const declaredBy = ({ managedBy }: CloudPoolInfo): string => managedBy ?? "api";

const view: View<CloudPoolInfo> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "MIN", value: (row) => String(row.min), align: "right" },
    { header: "MAX", value: (row) => String(row.max), align: "right" },
    { header: "WANTED", value: (row) => String(row.wanted), align: "right" },
    { header: "READY", value: (row) => String(row.ready), align: "right" },
    { header: "PENDING", value: (row) => String(row.pending), align: "right" },
    { header: "DEPLOYMENT", value: deploymentOf, wide: true },
    { header: "SITE", value: (row) => row.site ?? "", wide: true },
    { header: "DECLARED BY", value: declaredBy, wide: true },
    { header: "PODS", value: podsOf, wide: true },
    { header: "TROUBLE", value: (row, paint) => (row.trouble === null ? "" : paint.bad(row.trouble)) },
  ],
};

const EMPTY = "There is no pool of cloud nodes. Declare one with `skerry pools set`.";

export async function listPools(run: CommandContext): Promise<void> {
  const { output, globals } = run;
  const { raw, items } = await readList(await run.api(), PATH, cloudPool);
  await printList({ output, format: globals.format, raw, rows: items, view, empty: EMPTY });
}

export async function getPool(run: CommandContext, name: string): Promise<void> {
  const { body } = await (await run.api()).get(pathOfPool(name));
  const pool = decode(cloudPool, body, "a pool");
  const { output, globals } = run;
  await printObject(output, globals.format, { raw: body, name, describe: () => describe(pool, output.paint) });
}

async function describe(pool: CloudPoolInfo, paint: Style): Promise<string> {
  const { renderFields, renderTable } = await import("../../output/table.ts");
  const { min, max, wanted, ready, pending, replicas, trouble, recordedAgeMs } = pool;
  const fields = renderFields(
    [
      ["Name", paint.strong(pool.name)],
      ["Scales", deploymentOf(pool)],
      ["Bounds", `${min} to ${max} pods`],
      ["Pods", `${ready} ready of ${wanted} wanted, ${replicas} asked for, ${pending} pending`],
      ["Site", pool.site ?? "that of all pods (SKERRY_POD_SITE)"],
      ["Priority", String(pool.priority)],
      ["Declared by", declaredBy(pool)],
      ["Changed", recordedAgeMs === null ? "not looked at yet" : `${formatAge(recordedAgeMs)} ago`],
      ["Trouble", trouble === null ? "" : paint.bad(trouble)],
    ],
    paint,
  );
  const pods = renderTable(
    pool.pods,
    [
      { header: "POD", value: (row) => row.name },
      { header: "STATE", value: (row) => row.state },
      { header: "TROUBLE", value: (row, with_) => (row.trouble === null ? "" : with_.bad(row.trouble)) },
    ],
    { wide: true, paint },
  );
  return pool.pods.length === 0 ? fields : `${fields}\n\n${pods}`;
}

/** A sentence for every pod of a pool that is no node yet, or has trouble. None from a server without pools. */
export async function podsInTrouble(api: ApiClient): Promise<readonly string[]> {
  try {
    const { items } = await readList(api, PATH, cloudPool);
    return items.flatMap(({ name: pool, trouble, pods }) => [
      ...pods.flatMap((pod) => {
        const isNode = pod.state !== "pending" && pod.state !== "joining";
        if (isNode && pod.trouble === null) return [];
        return [`Pod ${pod.name} of pool ${pool} is ${pod.state}${pod.trouble === null ? "" : `: ${pod.trouble}`}`];
      }),
      ...(trouble !== null && pods.every((pod) => pod.trouble === null) ? [`Pool ${pool}: ${trouble}`] : []),
    ]);
  } catch (error) {
    if (isApiFailure(error) && error.status === 404) return [];
    throw error;
  }
}
