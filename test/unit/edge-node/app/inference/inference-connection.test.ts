import type { Owned } from "../../../../../shared/protocol/frames/body-assembly.ts";
import { own } from "../../../../../shared/bytes/owned-bytes.ts";
import { describe, expect, it } from "@jest/globals";
import { InferenceConnection } from "../../../../../edge-node/app/inference/inference-connection.ts";
import type { RequestExecutor } from "../../../../../edge-node/app/inference/request-executor.ts";
import type { InferenceChannel, ChannelClosed } from "../../../../../edge-node/ports/channels.ts";
import type { WorkerResponse } from "../../../../../edge-node/ports/serving.ts";
import { INFERENCE_FRAME, JSON_BODY } from "../../../../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../../../../shared/protocol/frames/request-frame.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

const ANSWER: WorkerResponse = {
  status: 200,
  code: undefined,
  wasNotExecuted: false,
  headerLength: JSON_BODY,
  body: own(new Uint8Array(0)),
  queueUs: 40,
  computeUs: 900,
  inHost: { decodeUs: 100, runUs: 750, encodeUs: 50, batchSize: 4 },
  nodeInFlight: 0,
  placementInFlight: 0,
  meanUs: 900,
  p95Us: 900,
  slots: 1,
};

const request = (requestId: number, traceparent?: string): Owned<RequestFrame> => ({
  type: INFERENCE_FRAME.REQUEST,
  requestId,
  end: true,
  edgeOnly: false,
  deadlineMs: 1_000,
  bodyLength: 2,
  headerLength: JSON_BODY,
  priority: 0,
  meta: { placementId: "p-1", ...(traceparent === undefined ? {} : { traceparent }) },
  body: own(new TextEncoder().encode("{}")),
});

/** An open channel: what it answered, what it logged, and the way in for requests. */
async function anOpenChannel() {
  const answered: number[] = [];
  const lines: object[] = [];
  const closed = Promise.withResolvers<ChannelClosed>();
  const link: InferenceChannel = {
    closed: closed.promise,
    respond: ({ requestId }) => Promise.resolve(void answered.push(requestId)),
    respondInPieces: ({ requestId }) => Promise.resolve(void answered.push(requestId)),
    close: () => closed.resolve({ code: 1000, reason: "", retryAfterMs: 0 }),
  };
  const reached = Promise.withResolvers<(frame: Owned<RequestFrame>) => void>();
  const channel = new InferenceConnection({
    dial: (handlers) => {
      reached.resolve((frame) => handlers.onRequest(frame));
      return Promise.resolve(link);
    },
    serving: { infer: () => Promise.resolve(ANSWER) } as unknown as RequestExecutor,
    clock: new TestClock(),
    random: seededRandom(1),
    logger: { ...silentLogger, info: (fields) => void lines.push(fields) },
  });
  channel.want(true);
  return { send: await reached.promise, answered, lines, channel };
}

describe("InferenceConnection", () => {
  it("logs the path of a sampled request into the model host", async () => {
    const { send, answered, lines, channel } = await anOpenChannel();
    send(request(1, `00-${TRACE}-00f067aa0ba902b7-01`));
    await settle();
    expect(answered).toEqual([1]);
    expect(lines).toEqual([
      {
        traceId: TRACE,
        parentSpanId: "00f067aa0ba902b7",
        placementId: "p-1",
        status: 200,
        code: undefined,
        queueUs: 40,
        computeUs: 900,
        decodeUs: 100,
        runUs: 750,
        encodeUs: 50,
        batchSize: 4,
      },
    ]);
    await channel.close();
  });

  it("writes nothing of requests that nobody traces or samples", async () => {
    const { send, answered, lines, channel } = await anOpenChannel();
    send(request(1));
    send(request(2, `00-${TRACE}-00f067aa0ba902b7-00`));
    await settle();
    expect([answered, lines]).toEqual([[1, 2], []]);
    await channel.close();
  });
});
