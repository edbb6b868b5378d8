import type { IncomingMessage } from "node:http";
import type { NodeStream } from "../../../shared/api/v1/nodes/streams.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { release } from "../../../shared/bytes/owned-bytes.ts";
import type { ByteBudget } from "../../../shared/inference/http/byte-budget.ts";
import { headerOf } from "../../../shared/inference/http/message.ts";
import { readBody, wholeBody } from "../../../shared/inference/http/read-body.ts";
import { BODY_MS } from "../../../shared/inference/http/server-options.ts";
import { MAX_STREAM_ITEM_BYTES } from "../../../shared/protocol/streams.ts";
import { droppedOf, waitingOf } from "../../core/streams/ledger.ts";
import type { LocalNode } from "../../ports/serving.ts";
import type { LocalStreams, StreamName, StreamStatus } from "../../ports/streams.ts";
import { jsonResponse, type LocalResponse } from "./response.ts";

const LABEL = /^[\x21-\x7e]{1,128}$/;

/** `GET /streams`: every stream of the node, what it does, and what became of all that it has read. */
export const streamList = (streams: LocalStreams): LocalResponse =>
  jsonResponse({ body: { streams: streams.statuses().map(shown) } });

interface PushParts {
  /** As the caller may see it. */
  readonly node: Pick<LocalNode, "placements">;
  readonly streams: LocalStreams;
  readonly bodies: ByteBudget;
  readonly clock: Clock;
}

/**
 * `POST /streams/DEPLOYMENT/STREAM`: one item. Answered 202 with its position when it is on the disk. `Idempotency-Key` makes
 * the same item sent again a duplicate, `Skerry-Stream` is its key. Throws NOT_FOUND, TOO_LARGE, INVALID_REQUEST, QUEUE_FULL,
 * RATE_LIMITED, STORAGE_FULL.
 */
export async function pushItem(
  stream: StreamName,
  request: IncomingMessage,
  { node, streams, bodies, clock }: PushParts,
): Promise<LocalResponse> {
  // The models that the caller's key may ask are those of `node`.
  if (!node.placements().some(({ deployment }) => deployment === stream.deployment))
    throw new SkerryError("NOT_FOUND", `this node holds no deployment ${stream.deployment}`);
  const id = labelOf(request, "idempotency-key");
  const key = labelOf(request, "skerry-stream") ?? "";
  const isJson = /^application\/json\b/i.test(headerOf(request.headers, "content-type") ?? "");
  const { take, leave } = bodies.enter();
  try {
    const arrived = await readBody(request, { maxBytes: MAX_STREAM_ITEM_BYTES, withinMs: BODY_MS, clock, take });
    if (arrived.length === 0) throw new SkerryError("INVALID_REQUEST", "an item of a stream has at least one byte");
    const bytes = wholeBody(arrived);
    const acceptance = await streams.push(stream, { id, key, bytes, isJson });
    release(bytes);
    if (acceptance.kind === "dropped")
      throw new SkerryError(
        "TOO_LARGE",
        "the item alone is more than the stream may keep on the disk; it is counted as dropped",
      );
    const body =
      acceptance.kind === "duplicate" ? { duplicate: true } : { duplicate: false, position: acceptance.position };
    return jsonResponse({ status: 202, body });
  } finally {
    leave();
  }
}

function labelOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headerOf(headers, name);
  if (value === undefined || LABEL.test(value)) return value;
  throw new SkerryError("INVALID_REQUEST", `${name} has to be 1–128 visible ASCII characters`);
}

function shown({ ledger, reasons, ...status }: StreamStatus): NodeStream {
  const { produced, delivered, deduplicated, expired, waiting, waitingBytes, dropped: dropReasons } = ledger;
  const dropped = droppedOf(ledger);
  const counts = { produced, delivered, deduplicated, expired, dropped, waiting: waitingOf(ledger) };
  return {
    ...status,
    reasons: [...reasons],
    ...counts,
    dropReasons,
    waitingFor: { model: waiting.item, sink: waiting.result },
    waitingBytes,
  };
}
