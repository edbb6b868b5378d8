import { cloudPool } from "../../../../shared/api/v1/cloud-pools.ts";
import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import type { CloudPoolStore } from "../../../ports/cloud-pool.ts";
import { paginate } from "../rest/paginate.ts";
import { defineRoute, READERS, type Route } from "../server/route.ts";

export function cloudPoolRoutes({ cloudPools }: { readonly cloudPools: Pick<CloudPoolStore, "list"> }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/cloud-pools",
      summary: "List pools of cloud nodes, their pods, and what keeps these from running",
      tag: "Nodes",
      access: READERS,
      query: listQuery,
      answer: listOf(cloudPool),
      statuses: [200],
      async handle({ query }) {
        const pools = (await cloudPools.list()).map((pool) => ({ ...pool, pods: [...pool.pods] }));
        return { body: paginate(pools, query, { keyOf: ({ name }) => name, labelsOf: ({ name }) => ({ name }) }) };
      },
    }),
  ];
}
