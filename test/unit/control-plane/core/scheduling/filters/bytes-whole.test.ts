import { describe, expect, it } from "@jest/globals";
import { bytesWhole } from "../../../../../../control-plane/core/scheduling/filters/bytes-whole.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

describe("bytes-whole", () => {
  it("refuses every node while the bytes of the version are damaged", () => {
    expect(refusalOn(bytesWhole, aCandidate(), aRequest())).toBeUndefined();
    const damage = "its file model.onnx is missing from the artifact store";
    expect(refusalOn(bytesWhole, aCandidate(), aRequest({ of: { damage } }))).toEqual({
      verdict: "not now",
      sentence: `digits:1 cannot be sent: ${damage}; push the same files again`,
    });
  });
});
