import { listOf } from "../../../../shared/api/v1/common.ts";
import { approveNode, drainNode, node, nodesQuery, patchNode } from "../../../../shared/api/v1/nodes/nodes.ts";
import type { FleetWatches } from "../../../app/fleet/fleet-watches.ts";
import type { NodeAdmin, NodeFacts } from "../../../app/nodes/node-admin.ts";
import { nodeLabels } from "../../../app/nodes/node-dto.ts";
import { etagOf, ifMatchOf } from "../rest/etag.ts";
import { WatchableList } from "../rest/watchable-list.ts";
import { STREAM_TYPE } from "../server/event-stream.ts";
import { defineRoute, type Route } from "../server/route.ts";
import { nodeParams } from "./params.ts";

const TAG = "Nodes";
const PATH = "/api/v1/nodes/{node}";

const VERBS = {
  cordon: "No new placement comes to the node; what runs goes on",
  uncordon: "Undo cordon and drain",
} as const;
const VERB_NAMES = ["cordon", "uncordon"] as const;

interface NodeParts {
  readonly nodes: NodeAdmin;
  readonly watches: Pick<FleetWatches, "nodes">;
}

export function nodeRoutes({ nodes, watches }: NodeParts): Route[] {
  const list = new WatchableList({
    list: () => nodes.listed(),
    toItem: ({ view }) => view(),
    watch: watches.nodes,
    listing: { keyOf: ({ name }: NodeFacts) => name, labelsOf: nodeLabels },
  });
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/nodes",
      summary: "List nodes with state, age, load and what they hold; with `watch`, what changes of them",
      tag: TAG,
      action: "fleet.read",
      query: nodesQuery,
      answer: listOf(node),
      streams: [STREAM_TYPE],
      statuses: [200],
      async handle(request) {
        const { state, ...query } = request.query;
        return list.answer({ ...request, query }, (each) => state === undefined || each.state === state);
      },
    }),
    defineRoute({
      method: "GET",
      path: PATH,
      summary: "One node",
      tag: TAG,
      action: "fleet.read",
      params: nodeParams,
      answer: node,
      statuses: [200],
      async handle({ params }) {
        return { body: nodes.get(params.node), headers: await etagFor(params.node) };
      },
    }),
    defineRoute({
      method: "PATCH",
      path: PATH,
      summary: "Change a node's name, labels, site or zone",
      tag: TAG,
      action: "nodes.write",
      params: nodeParams,
      body: patchNode,
      answer: node,
      statuses: [200],
      async handle({ params, body, actor, header }) {
        const changed = await nodes.patch(params.node, body, { actor, ifMatch: ifMatchOf({ header }) });
        return { body: changed, headers: await etagFor(changed.name) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: PATH,
      summary: "Revoke a node: its identity is void, its placements move",
      tag: TAG,
      action: "nodes.revoke",
      params: nodeParams,
      statuses: [204],
      async handle({ params, actor, header }) {
        await nodes.revoke(params.node, { actor, ifMatch: ifMatchOf({ header }) });
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${PATH}/approve`,
      summary: "Let a node connect that waits for an approval",
      tag: TAG,
      action: "nodes.approve",
      params: nodeParams,
      body: approveNode,
      answer: node,
      statuses: [200],
      async handle({ params, body, actor, header }) {
        const approved = await nodes.approve(params.node, { ...body, actor, ifMatch: ifMatchOf({ header }) });
        return { body: approved, headers: await etagFor(params.node) };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${PATH}/reject`,
      summary: "Reject a node that waits for an approval: its identity is void",
      tag: TAG,
      action: "nodes.approve",
      params: nodeParams,
      statuses: [204],
      async handle({ params, actor, header }) {
        await nodes.reject(params.node, { actor, ifMatch: ifMatchOf({ header }) });
        return { status: 204, empty: true };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${PATH}/drain`,
      summary:
        "Move the node's placements elsewhere, then keep it empty; with a deadline, which the control plane keeps",
      tag: TAG,
      action: "nodes.write",
      params: nodeParams,
      body: drainNode,
      answer: node,
      statuses: [200],
      async handle({ params, body, actor, header }) {
        const changed = await nodes.drain(params.node, body, { actor, ifMatch: ifMatchOf({ header }) });
        return { body: changed, headers: await etagFor(params.node) };
      },
    }),
    ...VERB_NAMES.map((verb) =>
      defineRoute({
        method: "POST",
        path: `${PATH}/${verb}`,
        summary: VERBS[verb],
        tag: TAG,
        action: "nodes.write",
        params: nodeParams,
        answer: node,
        statuses: [200],
        async handle({ params, actor, header }) {
          const changed = await nodes[verb](params.node, { actor, ifMatch: ifMatchOf({ header }) });
          return { body: changed, headers: await etagFor(params.node) };
        },
      }),
    ),
  ];

  async function etagFor(name: string): Promise<Record<string, string>> {
    const rowVersion = await nodes.rowVersion(name);
    return rowVersion === null ? {} : { ETag: etagOf(rowVersion) };
  }
}
