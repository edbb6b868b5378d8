import { quarantineAfter } from "../../core/fleet/versions/quarantine.ts";
import type { Disconnects } from "../../core/fleet/types.ts";
import { formatDuration } from "../../core/scheduling/format.ts";
import type { NewEvent } from "../../ports/events.ts";

/** The events of a node whose connection broke at `at`, in ms of the fleet's clock: when it broke too often, two. */
export function disconnectEvents(name: string, disconnects: Disconnects | undefined, at: number): readonly NewEvent[] {
  const object = `node/${name}`;
  const message = `${name} lost its control channel; it gets no new requests`;
  const disconnected: NewEvent = { type: "Warning", reason: "NodeDisconnected", object, message };
  const quarantine = disconnects && quarantineAfter(disconnects);
  if (!quarantine) return [disconnected];
  const why = `${quarantine.disconnects} disconnects`;
  return [
    disconnected,
    {
      type: "Warning",
      reason: "NodeQuarantined",
      object,
      message: `${name} gets no new replicas for ${formatDuration(quarantine.until - at)}: ${why}`,
    },
  ];
}
