import { describe, expect, it } from "@jest/globals";
import { TransferRoom } from "../../../../../edge-node/app/transfer/transfer-room.ts";
import { manifest } from "../../../../../shared/protocol/model-files/manifest.ts";

const ofMiB = (size: number) =>
  manifest.parse({
    v: 1,
    model: "digits",
    version: "1",
    chunker: "gear-64k-256k-1m",
    files: [{ name: "model.onnx", size: size * 1_048_576, sha256: "0".repeat(64), chunks: [[1, "0".repeat(64)]] }],
    inputs: [],
    outputs: [],
    irVersion: 8,
    opsets: { "ai.onnx": 17 },
    limits: { memMiB: 1, maxBatch: 1, timeoutMs: 1 },
  });

describe("the room for transfers", () => {
  it("is what is free on the disk, with what is kept only for rollback", async () => {
    let kept: readonly string[] = ["sha256:a", "sha256:b", "sha256:gone"];
    const read: string[] = [];
    const room = new TransferRoom({
      disk: {
        freeMiB: async () => 10,
        manifest: async (artifact) => {
          read.push(artifact);
          if (artifact === "sha256:gone") throw new Error("no such file");
          return ofMiB(artifact === "sha256:a" ? 30 : 4);
        },
      },
      keptForRollback: () => kept,
    });
    expect(await room.freeMiB()).toBe(44);
    kept = ["sha256:a"];
    expect(await room.freeMiB()).toBe(40);
    expect(read).toEqual(["sha256:a", "sha256:b", "sha256:gone"]);
    kept = [];
    expect(await room.freeMiB()).toBe(10);
  });
});
