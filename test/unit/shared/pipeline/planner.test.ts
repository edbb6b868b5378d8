import { describe, expect, it } from "@jest/globals";
import { readDocument, readNewDocument } from "../../../../shared/pipeline/document.ts";
import { type GraphSignature, planPipeline } from "../../../../shared/pipeline/planner.ts";
import type { PipelinePlan } from "../../../../shared/pipeline/plan.ts";
import { allOutputs, stagedSignature } from "../../../../shared/pipeline/signatures.ts";

const DIGITS: GraphSignature = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 28, 28] }],
  outputs: [{ name: "probabilities", datatype: "FP32", shape: [-1, 10] }],
};
const CALIBRATE: GraphSignature = {
  inputs: [{ name: "probabilities", datatype: "FP32", shape: [-1, 10] }],
  outputs: [{ name: "decision", datatype: "FP32", shape: [-1, 10] }],
};

const DECODE = { "decode-image": { mode: "L" } };
const RESIZE = { resize: { width: 28, height: 28, resampling: "bilinear" } };
const NORMALISE = { normalise: {} };
const LAYOUT = { layout: { order: "NCHW" } };
const MODEL = { model: { file: "digits.onnx" } };
const ARGMAX = { argmax: {} };

const around = (steps: readonly unknown[]): object => ({ pipeline: 1, inputs: [{ name: "photo" }], steps });

function planOf(...steps: readonly unknown[]): PipelinePlan {
  const document = readDocument(around(steps));
  return planPipeline(
    document,
    new Map([
      ["digits.onnx", DIGITS],
      ["calibrate.onnx", CALIBRATE],
    ]),
  );
}

function refusalOf(...steps: readonly unknown[]): string {
  try {
    planOf(...steps);
    return "";
  } catch (error) {
    return Error.isError(error) ? error.message : "";
  }
}

describe("a pipeline's plan", () => {
  it("has the phases before, in and behind its graph, and the stages that follow from them", () => {
    const plan = planOf(DECODE, RESIZE, NORMALISE, LAYOUT, MODEL, ARGMAX);
    expect(plan.stages).toEqual(["infer", "pre+infer", "infer+decide", "pre+infer+decide"]);
    expect(plan.graphInputs.map(({ spec }) => spec.name)).toEqual(["image"]);
    expect(plan.rule).toBe("argmax");
  });

  it("has its answers explained by what its graphs take, and by nothing raw", () => {
    const { signatureOf } = stagedSignature(planOf(DECODE, RESIZE, NORMALISE, LAYOUT, MODEL, ARGMAX));
    expect(signatureOf("infer").explainers).toBeUndefined();
    for (const stages of ["pre+infer", "infer+decide", "pre+infer+decide"] as const)
      expect(signatureOf(stages)).toMatchObject({ explainers: [], explainedStages: "infer" });
  });

  it("declares no stage that decides without a step that does", () => {
    expect(planOf(DECODE, RESIZE, NORMALISE, LAYOUT, MODEL).stages).toEqual(["infer", "pre+infer"]);
  });

  it("lets a model take what an earlier one puts out under its name", () => {
    const plan = planOf(DECODE, RESIZE, NORMALISE, LAYOUT, MODEL, { model: { file: "calibrate.onnx" } }, ARGMAX);
    expect(plan.graphOutputs.map(({ spec }) => spec.name)).toEqual(["decision"]);
    expect(allOutputs(plan).map(({ name }) => name)).toEqual(["decision", "skerry.decision", "confidence"]);
  });

  it.each([
    [
      "an unknown step",
      [DECODE, { sharpen: {} }, MODEL],
      /^steps\[1\]: there is no step sharpen; there are decode-image, /,
    ],
    [
      "an unknown field",
      [DECODE, { resize: { width: 28, height: 28, resampling: "bilinear", antialias: true } }, MODEL],
      /^steps\[1\]\.resize: Unrecognized key: "antialias"$/,
    ],
    [
      "a wrong type of a field",
      [DECODE, { resize: { width: "28", height: 28, resampling: "bilinear" } }, MODEL],
      /^steps\[1\]\.resize: width: Invalid input: expected number, received string$/,
    ],
    [
      "resizing without the kind of resampling",
      [DECODE, { resize: { width: 28, height: 28 } }, MODEL],
      /^steps\[1\]\.resize: resampling: /,
    ],
    [
      "spectra without bound",
      [
        { "decode-wav": { sampleRate: 16_000 } },
        { "fix-length": { samples: 160_000 } },
        { mel: { size: 16_384, hop: 1, bands: 8 } },
        MODEL,
      ],
      /^steps\[2\]\.mel: it would take \d+ multiplications; 2147483648 are the most for a request$/,
    ],
    [
      "a shape that the model does not take",
      [DECODE, RESIZE, NORMALISE, MODEL],
      /^steps\[3\]\.model: input "image" takes FP32 \[any, 1, 28, 28\], and is given FP32 \[any, 28, 28, 1\]$/,
    ],
    [
      "three channels where the model takes one",
      [{ "decode-image": {} }, RESIZE, NORMALISE, LAYOUT, MODEL],
      /^steps\[4\]\.model: input "image" takes FP32 \[any, 1, 28, 28\], and is given FP32 \[any, 3, 28, 28\]$/,
    ],
    [
      "pictures of any size as a tensor",
      [DECODE, NORMALISE, LAYOUT, MODEL],
      /^steps\[1\]\.normalise: pictures of any size make no tensor/,
    ],
    ["a step on what is no picture", [RESIZE, MODEL], /^steps\[0\]\.resize: takes pictures, and is given bytes$/],
    [
      "labels that are too few",
      [DECODE, RESIZE, NORMALISE, LAYOUT, MODEL, { argmax: { labels: ["a", "b"] } }],
      /^steps\[5\]\.argmax: labels has 2 names, and there are 10 classes$/,
    ],
    [
      "a decision before the model",
      [DECODE, ARGMAX, MODEL],
      /^steps\[1\]\.argmax: it decides by what a model puts out/,
    ],
    [
      "a preparation behind the model",
      [DECODE, RESIZE, NORMALISE, LAYOUT, MODEL, RESIZE],
      /^steps\[5\]\.resize: it prepares what a model takes/,
    ],
    ["no model", [DECODE], /^the pipeline: it has no model step$/],
    [
      "a graph that is not there",
      [DECODE, RESIZE, NORMALISE, LAYOUT, { model: { file: "other.onnx" } }],
      /^steps\[4\]\.model: other\.onnx is not a graph of the bundle$/,
    ],
    [
      "a value that nothing made",
      [DECODE, { ...RESIZE, from: "picture" }, MODEL],
      /^steps\[1\]\.resize: nothing before it is called picture; there are photo$/,
    ],
  ])("refuses %s and names the step", (_what, steps, why) => {
    expect(refusalOf(...steps)).toMatch(why);
  });
});

describe("a document that is to be published", () => {
  const columns = { n: { how: "count" } };
  const time = { column: "t", size: 5, maxRows: 9 };

  it.each([
    [
      "partial windows by time",
      { "stream-aggregate": { time, partial: true, columns } },
      "steps[0].stream-aggregate: partial: it is for windows by count (`rows`); windows by `time` end by their time",
    ],
    [
      "a number of keys over a stream without a key",
      { "stream-aggregate": { rows: 3, maxKeys: 8, columns } },
      "steps[0].stream-aggregate: maxKeys: without `key` it does nothing: leave it out",
    ],
    [
      "a number of keys without a key",
      { aggregate: { rows: 3, step: 3, maxKeys: 8, columns } },
      "steps[0].aggregate: maxKeys: without `key` it does nothing: leave it out",
    ],
    [
      "a draft without JPEG files",
      { "decode-image": { formats: ["png"], draft: { width: 28, height: 28 } } },
      "steps[0].decode-image: draft: it is for JPEG files, which `formats` leaves out: leave out the draft, or take jpeg",
    ],
  ])(
    "is refused with %s, which would do nothing, and stays readable where it was published before",
    (_what, step, why) => {
      expect(() => readNewDocument(around([step, MODEL]))).toThrow(why);
      expect(readDocument(around([step, MODEL])).steps).toHaveLength(2);
    },
  );

  it.each([
    { "stream-aggregate": { rows: 3, partial: true, key: "k", maxKeys: 8, columns } },
    { "stream-aggregate": { time, key: "k", maxKeys: 8, columns } },
    { aggregate: { rows: 3, step: 3, key: "k", maxKeys: 8, columns } },
    { "decode-image": { formats: ["jpeg"], draft: { width: 28, height: 28 } } },
  ])("is taken with %j, where each field does something", (step) => {
    expect(readNewDocument(around([step, MODEL])).steps).toHaveLength(2);
  });
});
