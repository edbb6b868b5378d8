import { appendFileSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ANSWER_CODES,
  ASK,
  type HostEvent,
  type HostTask,
  LINK_FD,
  readRequestHead,
  REPLY,
  REPLY_HEADER,
  REQUEST_HEADER,
  writeReplyHead,
} from "../../../edge-node/model-host/link/link-frame.ts";
import { JSON_BODY } from "../../../shared/protocol/frames/inference-frame.ts";
import { INITIAL_CREDIT_BYTES } from "../../../shared/protocol/limits.ts";
import { StreamCredit } from "../../../shared/protocol/frames/stream-credit.ts";
import { UNKNOWN_LENGTH } from "../../../shared/protocol/frames/stream-frame.ts";

/**
 * A model host whose answers are made piece by piece, as those of a runtime that generates. It speaks the real link, and
 * instead of a model it has what each request asks for: `{"pieces":1000,"bytes":20,"everyMs":10}`. The first piece takes
 * its time, too, and the head leaves with it.
 * Each time that nothing runs any more it writes when that was, in ms since 1970, on a line of `FILE.idle`.
 */
const { file } = JSON.parse(process.argv[2] ?? "") as HostTask;
const socket = new Socket({ fd: LINK_FD });
const running = new Map<number, StreamCredit>();
const NOTHING = Buffer.alloc(0);
const CANCELLED = ANSWER_CODES.indexOf("CANCELLED");

interface Generation {
  readonly pieces: number;
  readonly bytes: number;
  readonly everyMs: number;
}

function send(
  kind: number,
  over: { requestId?: number; code?: number; bodyLength?: number; computeUs?: number },
  body: Uint8Array = NOTHING,
): void {
  const head = Buffer.alloc(REPLY_HEADER);
  writeReplyHead(new DataView(head.buffer, head.byteOffset, REPLY_HEADER), {
    kind,
    code: 0,
    requestId: 0,
    headerLength: JSON_BODY,
    batchSize: 1,
    computeUs: 0,
    decodeUs: 0,
    encodeUs: 0,
    bodyLength: body.byteLength,
    ...over,
  });
  socket.write(body.byteLength === 0 ? head : Buffer.concat([head, body]));
}

const sendEvent = (event: HostEvent): void => send(REPLY.EVENT, {}, Buffer.from(JSON.stringify(event)));

async function generate(requestId: number, { pieces, bytes, everyMs }: Generation): Promise<void> {
  const credit = new StreamCredit(INITIAL_CREDIT_BYTES);
  running.set(requestId, credit);
  const startedAt = performance.now();
  let hasBegun = false;
  for (let i = 0; i < pieces; i += 1) {
    const dueMs = startedAt + (i + 1) * everyMs - performance.now();
    if (dueMs > 0) await sleep(dueMs);
    if (credit.isClosed) break;
    if (!hasBegun) send(REPLY.HEAD, { requestId, bodyLength: UNKNOWN_LENGTH });
    hasBegun = true;
    for (let left = bytes; left > 0 && !credit.isClosed;) {
      const granted = await credit.take(left);
      if (granted > 0) send(REPLY.PIECE, { requestId }, Buffer.alloc(granted, `${i} `));
      left -= granted;
    }
  }
  running.delete(requestId);
  if (running.size === 0) appendFileSync(`${file}.idle`, `${performance.timeOrigin + performance.now()}\n`);
  const computeUs = Math.round((performance.now() - startedAt) * 1_000);
  send(hasBegun ? REPLY.END : REPLY.ANSWER, { requestId, computeUs, code: credit.isClosed ? CANCELLED : 0 });
}

let rest: Buffer = NOTHING;
socket.on("data", (chunk: Buffer) => {
  rest = Buffer.concat([rest, chunk]);
  while (rest.byteLength >= REQUEST_HEADER) {
    const { kind, requestId, headerLength, bodyLength } = readRequestHead(
      new DataView(rest.buffer, rest.byteOffset, REQUEST_HEADER),
    );
    if (rest.byteLength < REQUEST_HEADER + bodyLength) return;
    const body = rest.toString("utf8", REQUEST_HEADER, REQUEST_HEADER + bodyLength);
    rest = rest.subarray(REQUEST_HEADER + bodyLength);
    if (kind === ASK.CREDIT) running.get(requestId)?.grant(headerLength);
    else if (kind === ASK.CANCEL) running.get(requestId)?.close();
    else void generate(requestId, JSON.parse(body) as Generation);
  }
});
socket.on("end", () => process.exit(0));
sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: 1 });
sendEvent({ event: "ready", warmUs: 10, noBatchReason: "its answers are made piece by piece", warnings: [] });
