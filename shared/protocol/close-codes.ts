/** Why a node socket was closed. 1000–1011 are WebSocket's own, 44xx ours. */
export const CLOSE = {
  DONE: 1000,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  TOO_BIG: 1009,
  FAULT: 1011,
  RESTART: 1012,
  CAPACITY: 1013,
  INVALID_MESSAGE: 4400,
  BAD_PROOF: 4401,
  NOT_YOURS: 4403,
  TOO_SLOW: 4408,
  NEWER_SESSION: 4409,
  NODE_DELETED: 4410,
  SESSION_ENDED: 4411,
  WAITING: 4412,
  TOO_MANY_MESSAGES: 4429,
  TRANSFER_CANCELLED: 4499,
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

/** What a node does after a close: the last column of the protocol's table of close codes. The node serves on in every case. */
export type AfterClose =
  | {
      readonly kind: "reconnect";
      readonly atLeastMs: number;
      /** The control plane is not there, restarts or is full: nothing is wrong with the node. */
      readonly isAway: boolean;
    }
  | { readonly kind: "stop" };

/** WebSocket's code for a connection that was lost or never came about. No close frame carries it. */
const NO_CONNECTION = 1006;
const REFUSED_MS = 5 * 60_000;
const FAULT_MS = 5_000;
/** How often a node asks whether it was approved. */
const WAITING_MS = 10_000;

export function afterClose(code: number): AfterClose {
  switch (code) {
    case CLOSE.NODE_DELETED:
      return { kind: "stop" };
    case CLOSE.BAD_PROOF:
      return { kind: "reconnect", atLeastMs: REFUSED_MS, isAway: false };
    case CLOSE.WAITING:
      return { kind: "reconnect", atLeastMs: WAITING_MS, isAway: true };
    case CLOSE.CAPACITY:
      return { kind: "reconnect", atLeastMs: FAULT_MS, isAway: true };
    case CLOSE.FAULT:
    case CLOSE.TOO_SLOW:
    case CLOSE.TOO_MANY_MESSAGES:
      return { kind: "reconnect", atLeastMs: FAULT_MS, isAway: false };
    case CLOSE.DONE:
    case CLOSE.RESTART:
    case CLOSE.SESSION_ENDED:
    case NO_CONNECTION:
      return { kind: "reconnect", atLeastMs: 0, isAway: true };
    default:
      return { kind: "reconnect", atLeastMs: 0, isAway: false };
  }
}
