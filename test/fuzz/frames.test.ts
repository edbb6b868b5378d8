import { describe, expect, it } from "@jest/globals";
import { BodyAssembly } from "../../shared/protocol/frames/body-assembly.ts";
import {
  decodeInferenceFrame,
  encodeCancel,
  encodeMessages,
  INFERENCE_FRAME,
  JSON_BODY,
} from "../../shared/protocol/frames/inference-frame.ts";
import type { RequestFrame } from "../../shared/protocol/frames/request-frame.ts";
import type { ResponseFrame } from "../../shared/protocol/frames/response-frame.ts";
import {
  encodeCredit,
  encodeResponseHead,
  encodeStreamData,
  encodeTrailers,
  UNKNOWN_LENGTH,
} from "../../shared/protocol/frames/stream-frame.ts";
import {
  decodeTransferFrame,
  encodeTransferHeader,
  TRANSFER_FRAME,
} from "../../shared/protocol/frames/transfer-frame.ts";
import { MAX_BODIES_IN_FLIGHT_BYTES, MAX_MESSAGE_BYTES } from "../../shared/protocol/limits.ts";
import { controlPlaneMessage } from "../../shared/protocol/messages/control-plane-messages.ts";
import { nodeMessage } from "../../shared/protocol/messages/node-messages.ts";
import { transferMessage } from "../../shared/protocol/messages/transfer-messages.ts";
import { fuzz, PATIENCE_MS } from "./support/fuzz.ts";
import { below, mutate } from "./support/mutate.ts";

const body = Buffer.from('{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}');
const request = {
  type: INFERENCE_FRAME.REQUEST,
  requestId: 7,
  deadlineMs: 1_000,
  edgeOnly: false,
  priority: 0,
} as const;
const figures = { queueUs: 1, computeUs: 2, meanUs: 3, p95Us: 4 };
const counts = { nodeInFlight: 1, placementInFlight: 1, slots: 2 };

const INFERENCE = [
  ...encodeMessages({ ...request, headerLength: JSON_BODY, meta: { placementId: "p-1" } }, [body], MAX_MESSAGE_BYTES),
  ...encodeMessages({ ...request, headerLength: 10, meta: { placementId: "p-1" } }, [body], 96),
  ...encodeMessages(
    {
      type: INFERENCE_FRAME.RESPONSE,
      requestId: 7,
      status: 200,
      wasNotExecuted: false,
      headerLength: JSON_BODY,
      meta: { code: "OK" },
      ...figures,
      ...counts,
    },
    [body],
    128,
  ),
  encodeCancel(7),
  encodeCredit(7, 1_000),
  encodeStreamData(7, 0, body),
  encodeResponseHead({
    requestId: 7,
    status: 200,
    headerLength: JSON_BODY,
    bodyLength: UNKNOWN_LENGTH,
    queueUs: 1,
    meta: {},
    ...counts,
  } as never),
  encodeTrailers({ requestId: 7, ...figures, ...counts, meta: {} } as never),
];
const TRANSFER = [TRANSFER_FRAME.MANIFEST, TRANSFER_FRAME.CHUNK].map((type) =>
  Buffer.concat([encodeTransferHeader({ type, end: true, chunk: 1, offset: 0 } as never), body]),
);
const MESSAGES = [
  { type: "heartbeat", id: 1, acked: 1, desiredRev: 1, digest: `sha256:${"0".repeat(64)}` },
  {
    type: "placement.status",
    id: 2,
    placementId: "p-1",
    generation: 1,
    state: "failed",
    code: "OUT_OF_MEMORY",
    detail: "x",
  },
  { type: "transfer.done", id: 3, transferId: "t-1", received: 1, reused: 1 },
  { type: "key.rotate", id: 4, publicKey: "A".repeat(43), sigOld: "A".repeat(86), sigNew: "A".repeat(86) },
  { type: "caller.keys", id: 5, digest: "d", page: 0, pages: 1, keys: [] },
  { type: "need", chunks: "AA", partial: { chunk: 1, offset: 2 }, window: 65_536 },
].map((message) => Buffer.from(JSON.stringify(message)));

const NO_FAULTS = { runs: expect.any(Number), faults: [] };

describe("frames that a peer makes up", () => {
  it(
    "are decoded or refused, and bodies never reserve more than they may",
    async () => {
      const found = await fuzz("inference frames", (random) => {
        const requests = new BodyAssembly<RequestFrame>();
        const responses = new BodyAssembly<ResponseFrame>();
        for (let frames = 1 + below(random, 6); frames > 0; frames -= 1) {
          const frame = decodeInferenceFrame(mutate(INFERENCE, random));
          if (frame?.type === INFERENCE_FRAME.REQUEST && frame.bodyLength < 1_000_000) requests.begin(frame);
          if (frame?.type === INFERENCE_FRAME.RESPONSE && frame.bodyLength < 1_000_000) responses.begin(frame);
          if (frame?.type === INFERENCE_FRAME.DATA) {
            requests.continue(frame);
            responses.continue(frame);
          }
        }
        for (const { reservedBytes } of [requests, responses])
          if (reservedBytes < 0 || reservedBytes > MAX_BODIES_IN_FLIGHT_BYTES)
            throw new Error(`${reservedBytes} bytes`);
      });
      expect(found).toEqual(NO_FAULTS);
    },
    PATIENCE_MS,
  );

  it(
    "of a transfer are decoded or refused",
    async () => {
      const found = await fuzz("transfer frames", (random) => {
        const frame = decodeTransferFrame(mutate(TRANSFER, random));
        if (frame !== undefined && frame.payload.byteLength > body.length + 4_096)
          throw new Error("a payload from nowhere");
      });
      expect(found).toEqual(NO_FAULTS);
    },
    PATIENCE_MS,
  );

  it(
    "of the control channel are messages or refused",
    async () => {
      const found = await fuzz("control messages", (random) => {
        const text = Buffer.from(mutate(MESSAGES, random)).toString("utf8");
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          return;
        }
        for (const schema of [nodeMessage, controlPlaneMessage, transferMessage]) schema.safeParse(value);
      });
      expect(found).toEqual(NO_FAULTS);
    },
    PATIENCE_MS,
  );
});
