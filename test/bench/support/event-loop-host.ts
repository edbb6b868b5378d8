import type { TensorSignature } from "../../../shared/inference/tensors/shape.ts";
import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import { Socket } from "node:net";
import {
  type HostEvent,
  type HostTask,
  LINK_FD,
  readRequestHead,
  REPLY,
  REPLY_HEADER,
  REQUEST_HEADER,
  writeReplyHead,
} from "../../../edge-node/model-host/link/link-frame.ts";
import { OutputText } from "../../../edge-node/model-host/onnx/output-text.ts";
import { ResponseSizes } from "../../../edge-node/model-host/onnx/response-size.ts";
import { RunSharing } from "../../../edge-node/model-host/onnx/batching/run-sharing.ts";
import { openModel } from "../../../edge-node/model-host/onnx/model.ts";
import { Batch } from "../../../edge-node/model-host/onnx/batching/batch.ts";

/** The design that the model host does not use: the same work behind an event-loop socket. Only for host-hop.bench.ts. */
const { file, model: name, version } = JSON.parse(process.argv[2] ?? "") as HostTask;
const model = await openModel(file);
const hosted = {
  model,
  name,
  version,
  sharing: new RunSharing({ isAllowed: false, onStopped: () => undefined }),
  texts: new OutputText(file),
  responseSizes: new ResponseSizes(model.dimensions),
};
const socket = new Socket({ fd: LINK_FD });

function send(kind: number, fields: { code: number; requestId: number; headerLength: number }, body: Uint8Array): void {
  const head = Buffer.alloc(REPLY_HEADER);
  const view = new DataView(head.buffer, head.byteOffset, REPLY_HEADER);
  writeReplyHead(view, {
    ...fields,
    kind,
    batchSize: 1,
    computeUs: 0,
    decodeUs: 0,
    encodeUs: 0,
    bodyLength: body.byteLength,
  });
  socket.write(Buffer.concat([head, body]));
}

const tell = (event: HostEvent): void =>
  send(REPLY.EVENT, { code: 0, requestId: 0, headerLength: 0 }, Buffer.from(JSON.stringify(event)));

const specs = (of: readonly TensorSignature[]): TensorSpec[] => of.map((each) => ({ ...each, shape: [...each.shape] }));
tell({ event: "loaded", inputs: specs(model.inputs), outputs: specs(model.outputs), loadMs: 0 });
tell({ event: "ready", warmUs: 0, warnings: [] });

let rest: Buffer = Buffer.alloc(0);
let last: Promise<void> = Promise.resolve();
socket.on("data", (chunk: Buffer) => {
  rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
  while (rest.byteLength >= REQUEST_HEADER) {
    const head = readRequestHead(new DataView(rest.buffer, rest.byteOffset, REQUEST_HEADER));
    const end = REQUEST_HEADER + head.bodyLength;
    if (rest.byteLength < end) return;
    const body = rest.subarray(REQUEST_HEADER, end);
    rest = rest.subarray(end);
    last = last.then(async () => {
      const batch = new Batch(hosted, 1);
      batch.add({ body, headerLength: head.headerLength });
      for (const { code, headerLength, body: answer } of await batch.answers())
        send(REPLY.ANSWER, { code, requestId: head.requestId, headerLength }, answer);
    });
  }
});
socket.on("end", () => process.exit(0));
