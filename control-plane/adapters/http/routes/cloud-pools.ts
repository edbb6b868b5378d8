import { cloudPool, cloudPoolSpec } from "../../../../shared/api/v1/nodes/cloud-pools.ts";
import { listOf, listQuery } from "../../../../shared/api/v1/common.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import type { PoolAdmin } from "../../../app/cloud/pool-admin.ts";
import { etagOf, ifMatchOf, ifMatchOrNewOf } from "../rest/etag.ts";
import { paginate } from "../rest/paginate.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { poolParams } from "./params.ts";

const TAG = "Nodes";
const PATH = "/api/v1/cloud-pools/{pool}";

export function cloudPoolRoutes({ cloudPools }: { readonly cloudPools: PoolAdmin }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/cloud-pools",
      summary: "List pools of cloud nodes, their pods, and what keeps these from running",
      tag: TAG,
      action: "fleet.read",
      query: listQuery,
      answer: listOf(cloudPool),
      statuses: [200],
      async handle({ query }) {
        const pools = await cloudPools.list();
        return { body: paginate(pools, query, { keyOf: ({ name }) => name, labelsOf: ({ name }) => ({ name }) }) };
      },
    }),
    defineRoute({
      method: "GET",
      path: PATH,
      summary: "One pool of cloud nodes",
      tag: TAG,
      action: "fleet.read",
      params: poolParams,
      answer: cloudPool,
      statuses: [200],
      async handle({ params }) {
        const { pool, rowVersion } = await cloudPools.get(params.pool);
        return { body: pool, headers: rowVersion === null ? {} : { ETag: etagOf(rowVersion) } };
      },
    }),
    defineRoute({
      method: "PUT",
      path: PATH,
      summary: "Declare a pool: which Kubernetes Deployment of nodes is scaled with demand, and within what bounds",
      tag: TAG,
      action: "pools.write",
      params: poolParams,
      body: cloudPoolSpec,
      answer: cloudPool,
      statuses: [200, 201],
      async handle({ params, body, actor, header }) {
        if (body.name !== params.pool)
          throw invalidFields("body", [{ field: "name", message: `must be \`${params.pool}\`, as in the path` }]);
        const { created, rowVersion, pool } = await cloudPools.put(body, {
          actor,
          ifMatch: ifMatchOrNewOf({ header }),
        });
        return { status: created ? 201 : 200, body: pool, headers: { ETag: etagOf(rowVersion) } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: PATH,
      summary: "Scale a pool no more; its pods stay",
      tag: TAG,
      action: "pools.write",
      params: poolParams,
      statuses: [204],
      async handle({ params, actor, header }) {
        await cloudPools.delete(params.pool, { actor, ifMatch: ifMatchOf({ header }) });
        return { status: 204, empty: true };
      },
    }),
  ];
}
