import { describe, expect, it } from "@jest/globals";
import { isOutOfMemory } from "../../../../../edge-node/model-host/out-of-memory.ts";
import { runtimeWords } from "../../../../../edge-node/model-host/onnx/runtime-words.ts";

describe("runtimeWords", () => {
  it("leaves out source file, signature and path", () => {
    const message =
      "Load model from /var/lib/skerry/a/model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:187 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::ModelOptions&) ModelProto does not have a graph.\n";
    expect(runtimeWords(message, 500)).toBe("ModelProto does not have a graph.");
  });

  it("keeps a message that has none of these", () => {
    expect(runtimeWords("Got invalid dimensions for input: x\n index: 1 Got: 783", 500)).toBe(
      "Got invalid dimensions for input: x index: 1 Got: 783",
    );
  });

  it("cuts at its limit", () => {
    expect(runtimeWords("x".repeat(900), 500)).toHaveLength(500);
  });
});

describe("isOutOfMemory", () => {
  it.each([
    "std::bad_alloc",
    "bad allocation",
    "Failed to allocate memory for requested buffer of size 4194304000",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    "mmap: Cannot allocate memory",
  ])("recognises %s", (text) => {
    expect(isOutOfMemory(text)).toBe(true);
  });

  it("takes nothing else for it", () => {
    expect(isOutOfMemory("Protobuf parsing failed.")).toBe(false);
  });
});
