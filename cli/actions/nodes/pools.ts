import { cloudPool, type CloudPoolInfo } from "../../../shared/api/v1/cloud-pools.ts";
import type { ApiClient } from "../../api/client.ts";
import { readList } from "../../api/lists.ts";
import { isApiFailure } from "../../api/problem.ts";
import { printList, type View } from "../../output/format.ts";
import type { CommandContext } from "../../run.ts";

const PATH = "/api/v1/cloud-pools";

const podsOf = ({ pods }: CloudPoolInfo): string =>
  pods.map(({ name, state }) => (state === "ready" ? name : `${name} (${state})`)).join(", ");

const view: View<CloudPoolInfo> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "MIN", value: (row) => String(row.min), align: "right" },
    { header: "MAX", value: (row) => String(row.max), align: "right" },
    { header: "WANTED", value: (row) => String(row.wanted), align: "right" },
    { header: "READY", value: (row) => String(row.ready), align: "right" },
    { header: "PENDING", value: (row) => String(row.pending), align: "right" },
    { header: "PODS", value: podsOf, wide: true },
    { header: "TROUBLE", value: (row, paint) => (row.trouble === null ? "" : paint.bad(row.trouble)) },
  ],
};

const EMPTY = "No pool of cloud nodes is configured: SKERRY_CLOUD_POOLS of the control plane names them.";

export async function listPools(run: CommandContext): Promise<void> {
  const { output, globals } = run;
  const { raw, items } = await readList(await run.api(), PATH, cloudPool);
  await printList({ output, format: globals.format, raw, rows: items, view, empty: EMPTY });
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
