import { BlockingLink } from "../../../edge-node/model-host/link/blocking-link.ts";
import { ASK, LINK_FD, STATUS_FD } from "../../../edge-node/model-host/link/link-frame.ts";
import { IDLE, RunningSlot } from "../../../edge-node/model-host/link/running-slot.ts";
import { own } from "../../../shared/bytes/owned-bytes.ts";
import { SHARED_RUN_MS } from "../../../shared/protocol/limits.ts";

/** A shared host on a machine so busy that each load but the first takes longer than a run may. It answers each request with its own body. */
const link = new BlockingLink(LINK_FD);
const running = new RunningSlot(STATUS_FD);
for (let ask = link.next(); ask !== undefined; ask = link.next()) {
  const { slot = IDLE, kind, requestId, headerLength, body } = ask;
  running.mark(slot);
  if (kind === ASK.LOAD) {
    if (slot > 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SHARED_RUN_MS + 500);
    link.sendEvent({ event: "loaded", inputs: [], outputs: [], loadMs: 1 }, slot);
    link.sendEvent({ event: "ready", warmUs: 1, warnings: [] }, slot);
  } else {
    const times = { computeUs: 1, decodeUs: 0, encodeUs: 0 };
    link.answer([{ requestId, headerLength, body: own(Buffer.from(body)), code: 0, batchSize: 1, ...times }]);
  }
  running.mark(IDLE);
}
