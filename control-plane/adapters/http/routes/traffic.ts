import { z } from "zod";
import { traffic } from "../../../../shared/api/v1/traffic.ts";
import type { TrafficMeter } from "../../../app/traffic/traffic-meter.ts";
import { defineRoute, type Route } from "../server/route.ts";

export interface TrafficParts {
  readonly traffic: TrafficMeter;
}

export function trafficRoutes({ traffic: meter }: TrafficParts): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/traffic",
      summary:
        "Rate, errors, latency and tokens of the last minute, by deployment and node, at the replica that answers",
      tag: "Operation",
      action: "metrics.read",
      query: z.strictObject({}),
      answer: traffic,
      statuses: [200],
      async handle() {
        return { body: meter.report() };
      },
    }),
  ];
}
