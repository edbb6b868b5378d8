import { describe, expect, it } from "@jest/globals";
import { runtimeSupported } from "../../../../../../control-plane/core/scheduling/filters/runtime-supported.ts";
import type { FleetVersion } from "../../../../../../control-plane/core/fleet/types.ts";
import type { Capabilities } from "../../../../../../shared/protocol/messages/capabilities.ts";
import type { EncoderModel } from "../../../../../../shared/text/encoder-model.ts";
import type { TextModel } from "../../../../../../shared/text/text-model.ts";
import { aCandidate, aRequest, refusalOn } from "../../../../../support/fleet/scheduling-fixture.ts";

/** The node supports opset 22 and ONNX IR 11. */
const refusal = (of: Partial<FleetVersion>) => refusalOn(runtimeSupported, aCandidate(), aRequest({ of }));

describe("runtime-supported", () => {
  it.each([
    ["older than the node's", { opset: 7, irVersion: 3 }],
    ["the node's newest", { opset: 22, irVersion: 11 }],
    ["not known", { opset: undefined, irVersion: undefined }],
  ])("accepts a version whose operator set and file format are %s", (_, of) => {
    expect(refusal(of)).toBeUndefined();
  });

  it.each([
    ["operator set", { opset: 23, irVersion: 11 }, "needs opset 23; edge-a supports up to 22"],
    ["file format", { opset: 22, irVersion: 12 }, "needs ONNX IR 12; edge-a supports up to 11"],
  ])("refuses for good a version whose %s is too new", (_, of, sentence) => {
    expect(refusal(of)).toEqual({ verdict: "never", sentence });
  });

  it("refuses for good a version with optional inputs whose node has an agent from before they were served", () => {
    const w = { name: "w", datatype: "FP32", shape: [1], parameters: { optional: true as const } };
    expect(refusal({ inputs: [w] })).toEqual({
      verdict: "never",
      sentence: "has optional inputs; the agent of edge-a is too old for them",
    });
    const capabilities = { ...aCandidate().node.capabilities, optionalInputs: true } as Capabilities;
    expect(
      refusalOn(runtimeSupported, aCandidate({ of: { capabilities } }), aRequest({ of: { inputs: [w] } })),
    ).toBeUndefined();
  });

  it("refuses for good an encoder whose node has an agent from before they were served", () => {
    const of = { encoder: { maxTokens: 256 } as unknown as EncoderModel };
    expect(refusal(of)).toEqual({
      verdict: "never",
      sentence: "makes embeddings; the agent of edge-a is too old for that",
    });
    const capabilities = { ...aCandidate().node.capabilities, runtimes: ["onnx", "embed"] } as Capabilities;
    expect(refusalOn(runtimeSupported, aCandidate({ of: { capabilities } }), aRequest({ of }))).toBeUndefined();
  });

  it("refuses for good a decoder in ONNX whose node has llama.cpp alone, and a GGUF file whose node has it not", () => {
    const at = (text: object, runtimes: string[]) => {
      const capabilities = { ...aCandidate().node.capabilities, runtimes } as Capabilities;
      const of = { text: text as unknown as TextModel };
      return refusalOn(runtimeSupported, aCandidate({ of: { capabilities } }), aRequest({ of }));
    };
    expect(at({ decoder: {} }, ["onnx", "gguf"])).toEqual({
      verdict: "never",
      sentence: "writes text by ONNX Runtime; the agent of edge-a is too old for that",
    });
    expect(at({ decoder: {} }, ["onnx", "generate"])).toBeUndefined();
    expect(at({}, ["onnx", "generate"])).toMatchObject({ sentence: expect.stringMatching(/no runtime for GGUF/) });
    expect(at({}, ["onnx", "gguf"])).toBeUndefined();
  });

  it("keeps the verdicts of decoders in ONNX and of GGUF files apart", () => {
    const keyOf = (text: object) => runtimeSupported.keyOf(aRequest({ of: { text: text as unknown as TextModel } }));
    expect(keyOf({ decoder: {} })).not.toBe(keyOf({}));
  });

  it("refuses for now a version that an engine executes where none with the model is beside the node", () => {
    const at = (engines: Capabilities["engines"]) => {
      const capabilities = { ...aCandidate().node.capabilities, engines } as Capabilities;
      return runtimeSupported.refuse(aCandidate({ of: { capabilities } }), aRequest({ of: { engine } }), []);
    };
    const engine = { model: "qwen3", kind: "text" } as const;
    const notNow = (sentence: string) => ({ verdict: "not now", sentence });
    const none = notNow("needs an engine (openai) with the model qwen3; edge-a has none");
    expect(at(undefined)).toEqual(none);
    expect(at([{ api: "oip", models: ["qwen3"] }])).toEqual(none);
    expect(at([{ api: "openai", models: [] }])).toEqual(
      notNow("needs an engine with the model qwen3; that of edge-a has not said what it has"),
    );
    expect(at([{ api: "openai", models: ["a", "b", "c", "d"] }])).toEqual(
      notNow("needs an engine with the model qwen3; that of edge-a has a, b, c and 1 more"),
    );
    expect(at([{ api: "openai", models: ["qwen3"] }])).toBeUndefined();
  });

  it("refuses for now a node that has not said what it can run", () => {
    expect(refusalOn(runtimeSupported, aCandidate({ of: { capabilities: undefined } }), aRequest())).toEqual({
      verdict: "not now",
      sentence: "edge-a has not said what it can run",
    });
  });
});
