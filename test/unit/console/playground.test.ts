import { describe, expect, it } from "@jest/globals";
import { codeFor } from "../../../console/src/core/playground/code-samples.ts";
import { isModelName, modelNameOf } from "../../../console/src/core/model-name.ts";
import { elementsText, figureText, scoresOf } from "../../../console/src/core/playground/output-rows.ts";
import { formOf, inkOf, parseNumbers, tensorOfPixels } from "../../../console/src/core/playground/playground-inputs.ts";
import { waterfallOf } from "../../../console/src/core/playground/server-timing.ts";
import { rateText, topOf, withPoint } from "../../../console/src/core/traffic-history.ts";

describe("the form of an input", () => {
  const form = (datatype: string, ...shape: readonly number[]) => formOf({ name: "x", datatype, shape });

  it.each([
    ["FP32", [-1, 1, 28, 28], { channels: 1, height: 28, width: 28, layout: "chw" }],
    ["FP32", [-1, 3, 224, 256], { channels: 3, height: 224, width: 256, layout: "chw" }],
    ["UINT8", [1, 32, 64, 3], { channels: 3, height: 32, width: 64, layout: "hwc" }],
    ["FP32", [-1, 28, 28], { channels: 1, height: 28, width: 28, layout: "chw" }],
    ["FP32", [-1, 784], { channels: 1, height: 28, width: 28, layout: "chw" }],
  ])("%s %j is an image", (datatype, shape, image) => {
    expect(form(datatype, ...shape)).toMatchObject({ kind: "image", ...image });
  });

  it.each([
    ["FP32", [-1, 16]],
    ["FP32", [-1, 785]],
    ["INT64", [-1, 1, 28, 28]],
    ["FP32", [-1, 2, 28, 28]],
    ["FP32", [4, 1, 28, 28]],
    ["FP32", []],
  ])("%s %j is numbers", (datatype, shape) => {
    expect(form(datatype, ...shape).kind).toBe("numbers");
  });

  it("of texts is a text", () => {
    expect(form("BYTES", -1)).toEqual({ kind: "text" });
  });
});

describe("an image as numbers", () => {
  // Two pixels: red, and white.
  const pixels = [255, 0, 0, 255, 255, 255, 255, 255];
  const image = { kind: "image", width: 2, height: 1, shape: [] } as const;

  it("is grey with one channel, and has its channels in the order of its shape", () => {
    expect(tensorOfPixels(pixels, { ...image, channels: 1, layout: "chw" }, "FP32")).toEqual([0.299, 1]);
    expect(tensorOfPixels(pixels, { ...image, channels: 3, layout: "chw" }, "FP32")).toEqual([1, 1, 0, 1, 0, 1]);
    expect(tensorOfPixels(pixels, { ...image, channels: 3, layout: "hwc" }, "UINT8")).toEqual([
      255, 0, 0, 255, 255, 255,
    ]);
  });

  it("has its ink in a box with a centre of mass", () => {
    const ink = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    expect(inkOf(ink, 4)).toEqual({ left: 1, top: 1, right: 3, bottom: 2, x: 2, y: 1.5 });
    expect(inkOf([0, 0, 0, 0], 2)).toBeUndefined();
  });
});

describe("typed numbers", () => {
  it.each([
    ["1, 2 3;4", [1, 2, 3, 4]],
    ["[[1, 2], [3, 4]]", [1, 2, 3, 4]],
    ["[true, false]", [1, 0]],
  ])("%j are %j", (text, numbers) => {
    expect(parseNumbers(text, 2)).toEqual(numbers);
  });

  it.each([
    ["1, x", "element 2 is no number"],
    ["1, 2, 3", "3 numbers are there, and a row has 2"],
    ["", "0 numbers are there"],
  ])("%j are refused: %s", (text, message) => {
    expect(() => parseNumbers(text, 2)).toThrow(message);
  });
});

describe("the time of an answer", () => {
  it("is shown one part after the other, with what is left for the network", () => {
    expect(waterfallOf("route;dur=0.5, infer;dur=2", 10, 30)).toEqual([
      { name: "browser and network", ms: 7.5, startMs: 0 },
      { name: "choosing a node", ms: 0.5, startMs: 7.5 },
      { name: "in the model", ms: 2, startMs: 8 },
      { name: "in pieces, until the end", ms: 30, startMs: 10 },
    ]);
    expect(waterfallOf(null, 5)).toEqual([{ name: "browser and network", ms: 5, startMs: 0 }]);
  });
});

describe("an output", () => {
  const output = (shape: readonly number[], data: readonly unknown[], datatype = "FP32") => ({
    name: "y",
    datatype,
    shape,
    data,
  });

  it("that is a short vector of scores is shown as bars with the names of its classes", () => {
    expect(scoresOf(output([1, 2], [0.2, 0.8]), ["no", "yes"])).toEqual([
      { label: "no", value: 0.2, percent: 25, isBest: false },
      { label: "yes", value: 0.8, percent: 100, isBest: true },
    ]);
  });

  it.each([
    [output([2, 2], [1, 2, 3, 4])],
    [output([1, 1], [1])],
    [output([1, 3], [1, 2, 3], "INT64")],
    [
      output(
        [1, 50],
        Array.from({ length: 50 }, () => 0),
      ),
    ],
  ])("of another kind is shown as it is: %j", (of) => {
    expect(scoresOf(of)).toBeUndefined();
  });

  it("has figures with the digits that matter", () => {
    expect([0.99994, 0.00000107312, 0, -0.5, 12_345.678].map(figureText)).toEqual([
      "0.9999",
      "1.07e-6",
      "0",
      "-0.5",
      "12350",
    ]);
  });

  it("that is long is cut", () => {
    expect(elementsText([1, 0.123456789, "a"])).toBe('1 0.12346 "a"');
    expect(elementsText(Array.from({ length: 30 }, () => 1))).toMatch(/… 6 more$/);
  });
});

describe("a request for a program", () => {
  const request = { url: "http://x/v2/models/m/infer", headers: { "Skerry-Prefer": "node=a" }, body: { text: "it's" } };

  it.each(["curl", "Node", "Python"] as const)("in %s names no key, and has the node that was chosen", (language) => {
    const code = codeFor(language, request);
    expect(code).toContain("SKERRY_API_KEY");
    expect(code).not.toContain("sk_");
    expect(code).toContain("node=a");
  });

  it("quotes for a shell", () => {
    expect(codeFor("curl", request)).toContain(`-d '{"text":"it'\\''s"}'`);
    const made = { ...request, url: "http://x/it's", headers: { "Skerry-Prefer": "node=a'; touch b; '" } };
    expect(codeFor("curl", made)).toContain(`curl -s 'http://x/it'\\''s' `);
    expect(codeFor("curl", made)).toContain(`-H 'Skerry-Prefer: node=a'\\''; touch b; '\\'''`);
  });
});

describe("a model's name", () => {
  it.each([
    ["Digits v2.onnx", "digits-v2"],
    ["_my model_.ONNX", "my-model"],
    ["resnet50.onnx", "resnet50"],
  ])("made of %j is %j", (file, name) => {
    expect([modelNameOf(file), isModelName(name)]).toEqual([name, true]);
  });
});

describe("the history of traffic", () => {
  it("keeps five minutes", () => {
    const point = { ratePerS: 1, errorsPerS: 0, p95Ms: 1, tokensPerS: 0 };
    const history = Array.from({ length: 200 }).reduce<ReturnType<typeof withPoint>>(
      (all) => withPoint(all, point),
      [],
    );
    expect(history).toHaveLength(150);
  });

  it("is drawn below its largest figure, and says rates shortly", () => {
    expect([topOf([]), topOf([3, 7])]).toEqual([1, 7]);
    expect([0, 1 / 60, 0.44, 12.4, 12_345].map(rateText)).toEqual(["0", "< 0.1", "0.4", "12", "12,345"]);
  });
});
