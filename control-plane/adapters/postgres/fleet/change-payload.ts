import { z } from "zod";
import type { NodeId } from "../../../../shared/base/ids.ts";
import type { FleetKeys } from "../../../core/fleet/changes/fleet-keys.ts";
import type { Clone } from "../../../ports/nodes/nodes.ts";
import type { ChangeTopic } from "../../../ports/plan.ts";

/** PostgreSQL takes 7,999 bytes. Names and ids are ASCII. */
export const MAX_PAYLOAD = 7_900;

const names = z.array(z.string()).optional();
const fleetKeys = z.object({ nodes: names, deployments: names, models: names });

export const TOPICS: readonly ChangeTopic[] = ["fleet", "events", "keys", "demand"];

/** `fleet {"nodes":["n-1"]}`; `fleet` alone when anything may have changed, or too much to name. */
export function fleetPayload(keys: FleetKeys): string {
  const payload = `fleet ${JSON.stringify(keys)}`;
  return payload.length <= MAX_PAYLOAD ? payload : "fleet";
}

/** Undefined when it is no notification of ours. One that another version wrote and that cannot be read names everything. */
export function parsePayload(
  payload: string,
): { readonly topic: ChangeTopic; readonly keys: FleetKeys | undefined } | undefined {
  const [name = "", json] = payload.split(/ (.*)/s, 2);
  const topic = TOPICS.find((each) => each === name);
  if (!topic) return undefined;
  return { topic, keys: json === undefined ? undefined : parseKeys(json) };
}

function parseKeys(json: string): FleetKeys | undefined {
  try {
    return fleetKeys.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

const CLONE = "clone";
const clone = z.object({
  nodeId: z
    .string()
    .max(64)
    .transform((id) => id as NodeId),
  bootId: z.string().max(64),
  address: z.string().max(200),
});

/** Of a process whose identity another one may have. A control plane before this release passes it over. */
export const clonePayload = ({ nodeId, bootId, address }: Clone): string =>
  `${CLONE} ${JSON.stringify({ nodeId, bootId, address: address.slice(0, 200) })}`;

/** Undefined when it is another notification, or cannot be read. */
export function parseClone(payload: string): Clone | undefined {
  const [name, json] = payload.split(/ (.*)/s, 2);
  if (name !== CLONE || json === undefined) return undefined;
  try {
    return clone.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
