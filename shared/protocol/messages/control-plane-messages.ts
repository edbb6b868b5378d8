import { z } from "zod";
import { digest } from "../model-files/manifest.ts";
import { callerKeys } from "./caller-keys.ts";
import { desiredPlacement } from "./desired-placement.ts";
import { count, error, id, message, ms, ok } from "./envelope.ts";

/** First message on every socket: sign this nonce. */
const challenge = message("challenge", { nonce: z.string().max(64), cpId: id, cpTime: z.string().max(40) });
export const welcome = message("welcome", {
  heartbeatMs: ms,
  loadMs: ms,
  suspectMs: ms,
  lostMs: ms,
  desiredRev: count,
  replica: id,
  /** Where this control plane is dialled from its own network, for the other channels: a ws:// or wss:// URL. */
  url: z.string().max(512).optional(),
  features: z.array(z.string().max(32)).max(64),
});
export type Welcome = z.infer<typeof welcome>;
const attached = message("attached", {});
const heartbeatAck = message("heartbeat.ack", { desiredRev: count });
export const desiredSnapshot = message("desired.snapshot", {
  rev: count,
  digest,
  cordoned: z.boolean(),
  placements: z.array(desiredPlacement).max(64),
});
const desiredDelta = message("desired.delta", {
  baseRev: count,
  rev: count,
  digest,
  cordoned: z.boolean(),
  set: z.array(desiredPlacement).max(64),
  drop: z.array(id).max(64),
});
export const transferOffer = message("transfer.offer", {
  transferId: id,
  artifact: digest,
  placements: z.array(id).min(1).max(64),
  bytes: count,
  priority: z.number().int(),
  ticket: z.string().max(64),
  ticketMs: ms,
});
export type TransferOffer = z.infer<typeof transferOffer>;
/** This replica is about to stop: come back in `reconnectMs`. */
const goaway = message("goaway", {
  reason: z.enum(["shutdown", "rebalance", "session-age", "overload"]),
  reconnectMs: ms,
});

/** The node's key is old, and it should make another one (`key.rotate`). An older node passes it over. */
const keyDue = message("key.due", {});

/** Every message that a control plane sends on the control channel, and its challenge on the other two. */
export const controlPlaneMessage = z.discriminatedUnion("type", [
  challenge,
  keyDue,
  welcome,
  attached,
  heartbeatAck,
  desiredSnapshot,
  desiredDelta,
  transferOffer,
  goaway,
  callerKeys,
  ok,
  error,
]);
export type ControlPlaneMessage = z.infer<typeof controlPlaneMessage>;
