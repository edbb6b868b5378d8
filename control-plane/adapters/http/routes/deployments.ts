import { z } from "zod";
import { listOf, listQuery, watchableListQuery } from "../../../../shared/api/v1/common.ts";
import { deployment, type Deployment, retryResponse } from "../../../../shared/api/v1/deployments/deployments.ts";
import { deploymentSpec } from "../../../../shared/api/v1/deployments/deployment-spec.ts";
import { placement } from "../../../../shared/api/v1/deployments/placements.ts";
import { explainResponse } from "../../../../shared/api/v1/deployments/explain.ts";
import { endpoint } from "../../../../shared/api/v1/inference.ts";
import { planResponse, planRequest } from "../../../../shared/api/v1/deployments/plan.ts";
import { NODE_NAME } from "../../../../shared/protocol/join-messages.ts";
import { isInScope } from "../../../core/access/decide.ts";
import type { DeploymentAdmin } from "../../../app/deployments/deployment-admin.ts";
import type { FleetWatches } from "../../../app/fleet/fleet-watches.ts";
import { endpointLabels } from "../../../app/deployments/deployment-endpoints.ts";
import { deploymentLabels } from "../../../app/deployments/deployment-dto.ts";
import { etagOf, ifMatchOf, ifMatchOrNewOf } from "../rest/etag.ts";
import { paginate } from "../rest/paginate.ts";
import { placementList } from "../rest/placement-list.ts";
import { WatchableList } from "../rest/watchable-list.ts";
import { STREAM_TYPE } from "../server/event-stream.ts";
import { invalidFields } from "../../../../shared/base/invalid-fields.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { deploymentParams } from "./params.ts";

const TAG = "Deployments";
const PATH = "/api/v1/deployments/{deployment}";

const explainQuery = z.strictObject({
  node: z.string().regex(NODE_NAME, "the name of a node").optional(),
  nodes: z.literal("all").optional().describe("`all`: the verdict on every node of the fleet too."),
});

interface DeploymentParts {
  readonly deployments: DeploymentAdmin;
  readonly watches: Pick<FleetWatches, "deployments" | "placements">;
}

export function deploymentRoutes({ deployments, watches }: DeploymentParts): Route[] {
  const list = new WatchableList({
    list: () => deployments.list(),
    toItem: (each) => each,
    watch: watches.deployments,
    listing: { keyOf: ({ name }: Deployment) => name, labelsOf: deploymentLabels },
  });
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/deployments",
      summary: "List deployments with their status; with `watch`, what changes of them",
      tag: TAG,
      action: "deployments.read",
      query: watchableListQuery,
      answer: listOf(deployment),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        return list.answer(request, ({ name, spec }) =>
          isInScope(request.caller, { kind: "deployment", name, model: spec.model }),
        );
      },
    }),
    defineRoute({
      method: "PUT",
      path: PATH,
      summary:
        "Declare a deployment: create it or replace its spec; `If-Match` names the ETag that was read, `If-None-Match: *` says that it must be new",
      tag: TAG,
      action: "deployments.write",
      params: deploymentParams,
      body: deploymentSpec,
      answer: deployment,
      statuses: [200, 201],
      async handle({ params, body, actor, header }) {
        if (body.name !== params.deployment) {
          throw invalidFields("body", [{ field: "name", message: `must be \`${params.deployment}\`, as in the path` }]);
        }
        const {
          created,
          rowVersion,
          deployment: declared,
        } = await deployments.put(body, { actor, ifMatch: ifMatchOrNewOf({ header }) });
        return { status: created ? 201 : 200, body: declared, headers: { ETag: etagOf(rowVersion) } };
      },
    }),
    defineRoute({
      method: "GET",
      path: PATH,
      summary: "One deployment: spec, conditions, replicas",
      tag: TAG,
      action: "deployments.read",
      params: deploymentParams,
      answer: deployment,
      statuses: [200],
      async handle({ params }) {
        const found = deployments.get(params.deployment);
        const rowVersion = await deployments.rowVersion(params.deployment);
        return { body: found, headers: rowVersion === null ? {} : { ETag: etagOf(rowVersion) } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: PATH,
      summary: "Take a deployment away; its placements leave",
      tag: TAG,
      action: "deployments.write",
      params: deploymentParams,
      statuses: [204],
      async handle({ params, actor, header }) {
        await deployments.delete(params.deployment, { actor, ifMatch: ifMatchOf({ header }) });
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${PATH}/retry`,
      summary: "Try the failed placements of a deployment again at once",
      tag: TAG,
      action: "deployments.write",
      params: deploymentParams,
      answer: retryResponse,
      statuses: [200],
      async handle({ params, actor }) {
        return { body: await deployments.retry(params.deployment, actor) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/placements`,
      summary: "A deployment's placements; with `watch`, what changes of them",
      tag: TAG,
      action: "deployments.read",
      params: deploymentParams,
      query: watchableListQuery,
      answer: listOf(placement),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { deployment: of } = request.params;
        // For a stream too: it throws where there is no such deployment.
        const placements = deployments.placements(of);
        return placementList(placements, watches.placements).answer(request, (each) => each.deployment === of);
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/endpoints`,
      summary: "Nodes that answer for a deployment on their own address, without the control plane",
      tag: TAG,
      action: "deployments.read",
      params: deploymentParams,
      query: listQuery,
      answer: listOf(endpoint),
      statuses: [200],
      async handle({ params, query }) {
        const endpoints = deployments.endpoints(params.deployment);
        return {
          body: paginate(endpoints, query, {
            keyOf: ({ node, version }) => `${node} ${version}`,
            labelsOf: endpointLabels,
          }),
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${PATH}/explain`,
      summary:
        "Why the replicas are where they are; with `node`, why not there; with `nodes`, the verdict on every node",
      tag: TAG,
      action: "fleet.read",
      params: deploymentParams,
      query: explainQuery,
      answer: explainResponse,
      statuses: [200],
      async handle({ params, query }) {
        return {
          body: await deployments.explain(params.deployment, { node: query.node, ofAllNodes: query.nodes === "all" }),
          isCompressible: true,
        };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/plan",
      summary: "What if: what would be placed and moved if nodes and deployments were changed like this; nothing is",
      tag: TAG,
      action: "fleet.read",
      body: planRequest,
      answer: planResponse,
      statuses: [200],
      async handle({ body }) {
        return { body: await deployments.plan(body) };
      },
    }),
  ];
}
