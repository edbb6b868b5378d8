import { describe, expect, it } from "@jest/globals";
import { desiredStream } from "../../../../shared/protocol/streams.ts";

const stream = { name: "press", source: "push", sink: "hook", expirySeconds: 60, maxMiB: 1, whenFull: "refuse" };

describe("a stream that a control plane sends", () => {
  it("may have fields that this node does not know", () => {
    expect(desiredStream.parse({ ...stream, later: 1 })).toEqual({ ...stream, later: 1 });
  });

  it.each(["name", "source", "sink"])("has a %s that is no path", (field) => {
    for (const name of ["/../../x", "..", "a/b", "", "a\n", "é"])
      expect(desiredStream.safeParse({ ...stream, [field]: name }).success).toBe(false);
  });
});
