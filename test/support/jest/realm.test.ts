import { describe, expect, it } from "@jest/globals";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** y = Identity(x) for float[2]: 63 bytes of ONNX, opset 13. */
const IDENTITY_MODEL = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggCYg8KAXkSCgoICAESBAoCCAJCAhAN";

describe("the test realm", () => {
  it("gives ONNX Runtime typed arrays that it knows", async () => {
    const session = await InferenceSession.create(Buffer.from(IDENTITY_MODEL, "base64"));
    const answer = await session.run({ x: new Tensor("float32", new Float32Array([1, 2]), [2]) });
    await session.release();
    expect(answer["y"]?.data).toEqual(new Float32Array([1, 2]));
    expect(answer["y"]?.data).toBeInstanceOf(Float32Array);
  });

  it("takes a Buffer for a Uint8Array over an ArrayBuffer", () => {
    expect(Buffer.from("a")).toBeInstanceOf(Uint8Array);
    expect(Buffer.from("a").buffer).toBeInstanceOf(ArrayBuffer);
  });
});
