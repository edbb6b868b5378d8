import type { Rate } from "../flow/token-bucket.ts";

/** The numbers of protocol `skerry.v1` that both ends enforce. */

export const SUBPROTOCOL = "skerry.v1";

export const CHANNELS = ["control", "inference", "transfer"] as const;
export type Channel = (typeof CHANNELS)[number];

export const channelPath = (channel: Channel): string => `/api/v1/node/${channel}`;

/** Largest WebSocket message, header included, in bytes. One frame a turn keeps small answers from waiting behind large ones. */
export const MAX_MESSAGE_BYTES = 65_536;
/** On the transfer channel nothing else waits, and 1 MiB measured fastest. */
export const MAX_TRANSFER_MESSAGE_BYTES = 1_048_576 + 64;

export const AUTHENTICATION_DEADLINE_MS = 5_000;

/** Messages of a node on its control channel. More closes it: 4429. */
export const CONTROL_RATE: Rate = { perSecond: 50, burst: 100 };
/** What a node keeps to, so that a second's worth that a hitch in the network brings at once is not taken for a flood. */
export const CONTROL_PACE: Rate = { perSecond: 40, burst: 60 };

/** A sender pauses here and terminates the socket at the second figure, or after 10 s without progress: `close()` frees nothing. */
export const OUTBOUND_PAUSE_BYTES = 1_048_576;
export const OUTBOUND_TERMINATE_BYTES = 4 * 1_048_576;
export const OUTBOUND_STALL_MS = 10_000;

export const HEARTBEAT_MS = 5_000;
export const LOAD_MS = 1_000;
export const SUSPECT_MS = 15_000;
export const LOST_MS = 60_000;
export const INFERENCE_PING_MS = 5_000;
export const INFERENCE_SILENCE_MS = 15_000;
export const TRANSFER_SILENCE_MS = 60_000;
/** Until the node says what it needs: it hashes what it has from an earlier try, 2 GiB at 4 MiB/s at worst (an old SD card). */
export const STAGING_MS = 10 * 60_000;

export const TICKET_MS = 60_000;
export const MAX_PLACEMENTS_PER_NODE = 64;
/** Share of a node's memory that its placements may use together: the rest is the system's and the agent's. */
export const MODELS_MEMORY_SHARE = 0.9;
/** So that 64 placements, each with the longest names, fit one message. */
export const MAX_ALIASES_PER_VERSION = 8;

/** Largest body of one request that a setting may allow, and of all bodies that arrive on one inference channel, in bytes. */
export const MAX_BODY_BYTES = 256 * 1_048_576;
export const MAX_BODIES_IN_FLIGHT_BYTES = 256 * 1_048_576;
/** Largest body of one request, unless it is set otherwise, in bytes. */
export const DEFAULT_BODY_BYTES = 64 * 1_048_576;
/** Largest body of one request for text, in bytes: a long conversation has some 100 KiB. */
export const MAX_TEXT_BODY_BYTES = 8 * 1_048_576;
/** Largest answer of one inference, in bytes: it is passed on in pieces, so only the model host holds all of it. */
export const MAX_ANSWER_BYTES = 128 * 1_048_576;
/** Bytes of the request bodies that a process holds together, unless it is set otherwise. */
export const DEFAULT_BODIES_BYTES = 256 * 1_048_576;
/** Requests that may wait at one placement, unless its deployment says otherwise. */
export const DEFAULT_QUEUE = 1_024;
/**
 * Bytes of one streamed response that may be under way or unread at the control plane. A reader that is slow holds no
 * more; over a link of 20 ms one stream moves 25 MiB/s at most.
 */
export const INITIAL_CREDIT_BYTES = 512 * 1_024;
/** A stream whose sender has credit and sends nothing for so long has failed, and so has a reader that takes nothing, in ms. */
export const STREAM_STALL_MS = 30_000;
export const MAX_DEADLINE_MS = 60_000;
export const DEFAULT_DEADLINE_MS = 30_000;
/** What requests under way are given to end when a program, a channel or a model host stops; Kubernetes allows 30 s. */
export const DRAIN_MS = 25_000;

/**
 * How long an idle HTTP connection is kept. Proxies in front keep theirs for 60 s unless told otherwise (nginx, the load
 * balancer of AWS): who closes sooner than they do gets requests on connections that are just closing, and their callers
 * get a 502.
 */
export const KEEP_ALIVE_MS = 75_000;

export const MAX_MANIFEST_BYTES = 1_048_576;
export const MIN_WINDOW_BYTES = 65_536;
export const MAX_WINDOW_BYTES = 4 * 1_048_576;
/** Copies of one chunk that may arrive damaged before the transfer fails. */
export const MAX_BAD_COPIES = 3;

/** Bytes of a version that may run in one process with others. */
export const MAX_SHARED_MODEL_BYTES = 64 * 1_048_576;
/** A run in a shared host that takes so long ends the host; the model has a host of its own then, with its own limit. */
export const SHARED_RUN_MS = 2_000;
