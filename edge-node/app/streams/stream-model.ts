import { ERRORS, type ErrorCode, isSkerryError } from "../../../shared/base/errors.ts";
import type { OwnedBytes } from "../../../shared/bytes/owned-bytes.ts";
import type { Cancellation } from "../../../shared/flow/cancellation.ts";
import { wholeStream } from "../../../shared/inference/whole-stream.ts";
import { DEFAULT_DEADLINE_MS } from "../../../shared/protocol/limits.ts";
import type { DropReason } from "../../core/streams/ledger.ts";
import type { LocalNode, LocalPlacementView, WorkerResponse } from "../../ports/serving.ts";
import type { StoredItem, StreamName } from "../../ports/streams.ts";
import { streamRequest, streamResult } from "./stream-request.ts";

/** Results are decisions, not data: a larger one is dropped. */
const MAX_RESULT_BYTES = 1_048_576;

export type Inferred =
  | { readonly kind: "inferred"; readonly result: Uint8Array }
  | { readonly kind: "dropped"; readonly reason: DropReason; readonly why: string }
  /** The same item may be answered later. `isItsOwn`: it may be the item's own fault all the same. */
  | { readonly kind: "later"; readonly why: string; readonly isItsOwn: boolean };

type Model = Pick<LocalNode, "placements" | "infer" | "name">;

/** Sends one item through the placement of the stream's deployment that serves on this node. Never rejects for the item. */
export async function inferItem(
  item: StoredItem,
  stream: StreamName,
  { node, cancellation }: { readonly node: Model; readonly cancellation: Cancellation },
): Promise<Inferred> {
  const placement = servingPlacement(stream.deployment, node.placements());
  if ("why" in placement) return { kind: "later", why: placement.why, isItsOwn: false };
  try {
    const { body, headerLength } = streamRequest(item, placement.signature);
    const answer = await node.infer({
      placementId: placement.placementId,
      body,
      headerLength,
      deadlineMs: placement.timeoutMs || DEFAULT_DEADLINE_MS,
      edgeOnly: false,
      priority: 0,
      // Its items reach no other node, so no other one knows the stream.
      stream: { key: `${stream.name}/${item.key}`, alone: true },
      cancellation,
    });
    const bytes = await whole(answer);
    if (answer.code !== undefined) return verdictOn(answer.code, wordsOf(bytes));
    const result = streamResult(item, bytes, { ...stream, node: node.name });
    if (result.byteLength > MAX_RESULT_BYTES)
      return { kind: "dropped", reason: "too-large", why: `the result has ${result.byteLength} bytes` };
    return { kind: "inferred", result };
  } catch (error) {
    if (!isSkerryError(error)) throw error;
    return verdictOn(error.code, error.message);
  }
}

/** The ready placement of the deployment, of those one that is not on standby; or why there is none. */
function servingPlacement(
  deployment: string,
  all: readonly LocalPlacementView[],
):
  | (LocalPlacementView & { readonly signature: NonNullable<LocalPlacementView["signature"]> })
  | { readonly why: string } {
  const own = all.filter((placement) => placement.deployment === deployment && placement.want === "serve");
  const ready = own.filter(({ state }) => state === "ready");
  const chosen = ready.find(({ isStandby }) => !isStandby) ?? ready[0];
  if (chosen === undefined) return { why: `no placement of ${deployment} is ready on this node` };
  const { signature, asks = "tensors", model } = chosen;
  if (asks !== "tensors" || signature === undefined)
    return { why: `${model} does not take tensors, so no stream can ask it` };
  return { ...chosen, signature };
}

async function whole({ body }: WorkerResponse): Promise<OwnedBytes> {
  if (body instanceof Uint8Array) return body;
  let bytes = 0;
  return wholeStream(body, (more) => (bytes += more) <= MAX_RESULT_BYTES);
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

function verdictOn(code: string, why: string): Inferred {
  const isRetryable = isErrorCode(code) && ERRORS[code].retryable;
  if (isRetryable) return { kind: "later", why, isItsOwn: code === "HOST_CRASHED" || code === "DEADLINE_EXCEEDED" };
  return { kind: "dropped", reason: code === "RUN_FAILED" || code === "INTERNAL" ? "failed" : "refused", why };
}

/** Of an error's body, for a log line. */
const wordsOf = (body: Uint8Array): string => new TextDecoder().decode(body.subarray(0, 400));
