import { describe, expect, it } from "@jest/globals";
import { waitingText } from "../../../../../cli/actions/edge/node-address.ts";
import { nodeStatus } from "../../../../../shared/api/v1/nodes/node-status.ts";

const nothing = { requests: 0, downloads: 0, logLines: 0 };

describe("what waits at a node, in words", () => {
  it("names each kind of which something waits", () => {
    expect(waitingText({ ...nothing, streamItems: 0 })).toBe("nothing");
    expect(waitingText({ requests: 1, downloads: 2, streamItems: 3, logLines: 1 })).toBe(
      "1 request in queues, 2 models on the way here, 3 items of streams, 1 line of the log for the control plane",
    );
  });

  it("is read of a node of an earlier version, which does not count its streams", () => {
    expect(waitingText(nodeStatus.shape.waiting.parse(nothing))).toBe("nothing");
  });
});
