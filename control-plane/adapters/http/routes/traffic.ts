import { traffic, trafficQuery } from "../../../../shared/api/v1/traffic.ts";
import type { TrafficMeter } from "../../../app/traffic/traffic-meter.ts";
import type { NodeAdmin } from "../../../app/nodes/node-admin.ts";
import { defineRoute, type Route } from "../server/route.ts";

export interface TrafficParts {
  readonly traffic: TrafficMeter;
  readonly nodes: Pick<NodeAdmin, "loads">;
}

export function trafficRoutes({ traffic: meter, nodes }: TrafficParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/traffic",
      summary:
        "Rate, errors, latency and tokens of the last minute, by deployment and node, at the replica that answers",
      tag: "Operation",
      action: "metrics.read",
      query: trafficQuery,
      answer: traffic,
      statuses: [200],
      async handle({ query }) {
        return { body: { ...meter.report(), loads: query.loads === "false" ? null : nodes.loads() } };
      },
    }),
  ];
}
