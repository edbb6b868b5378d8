import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import { decodeAnswer, encodeBody, inferBody, sizedJson } from "../../../console/src/core/playground/binary-body.ts";
import { codeFor } from "../../../console/src/core/playground/code-samples.ts";
import { decidedOf } from "../../../console/src/core/playground/decision.ts";
import { emptyOf, givenInput } from "../../../console/src/core/playground/given-inputs.ts";
import { decodeRequest } from "../../../shared/inference/request.ts";
import { encodeResponse } from "../../../shared/inference/response.ts";

const PHOTO = { name: "photo", datatype: "BYTES", shape: [-1] };
const HALF = { name: "x", datatype: "FP16", shape: [-1, 2] };
const file = (name: string, ...bytes: readonly number[]) => ({ name, bytes: new Uint8Array(bytes) });
const photos = (...files: readonly ReturnType<typeof file>[]) => givenInput(PHOTO, { ...emptyOf(PHOTO, true), files });
const halves = (text: string) => givenInput(HALF, { ...emptyOf(HALF, false), text });

/** A request as the control plane's side reads it. */
async function received(...given: Parameters<typeof inferBody>) {
  const { body, headers } = encodeBody(inferBody(...given));
  if (!(body instanceof Blob)) throw new Error("it is JSON");
  const bytes = new Uint8Array(await body.arrayBuffer());
  const inputs = given[0].map(({ name, datatype, shape }) => ({
    name,
    datatype,
    shape: shape.map(() => -1),
    ...(datatype === "BYTES" && { asBytes: true as const }),
  }));
  const outputs = [{ name: "y", datatype: "FP32", shape: [-1] }];
  return decodeRequest(bytes, Number(headers["Inference-Header-Content-Length"]), { inputs, outputs });
}

describe("files of a pipeline's input", () => {
  it("go as bytes, an element each, whatever they hold", async () => {
    const { inputs } = await received([photos(file("a.png", 0x89, 0x50, 0, 255), file("b.png", 1))], []);
    expect(inputs.map(({ name, shape }) => ({ name, shape }))).toEqual([{ name: "photo", shape: [2] }]);
    expect(inputs[0]?.bytes?.map((element) => [...element])).toEqual([[0x89, 0x50, 0, 255], [1]]);
  });

  it("are asked for when there are none, and a text may stand in for them", () => {
    expect(() => photos()).toThrow("photo: choose a file, or type a text");
    expect(givenInput(PHOTO, { ...emptyOf(PHOTO, true), files: undefined, text: "a,b" })).toMatchObject({
      shape: [1],
      data: ["a,b"],
    });
  });

  it("are as many as the input takes", () => {
    const one = { name: "photo", datatype: "BYTES", shape: [1] };
    expect(() => givenInput(one, { ...emptyOf(one, true), files: [file("a", 1), file("b", 2)] })).toThrow(
      "photo: it takes 1 elements, and 2 are given",
    );
  });
});

describe("numbers that JSON does not have", () => {
  it("go as bytes beside inputs that stay JSON", async () => {
    const rest = { name: "n", datatype: "INT32", shape: [1], data: [7] };
    const { inputs } = await received([halves("1.5, -2"), rest], [{ datatype: "FP32" }]);
    expect(inputs.map(({ name, shape, data }) => [name, shape, [...data]])).toEqual([
      ["x", [1, 2], [1.5, -2]],
      ["n", [1], [7]],
    ]);
  });

  it("are asked for as bytes where an output has them", () => {
    const given = [{ name: "n", datatype: "INT32", shape: [1], data: [7] }];
    expect(encodeBody(inferBody(given, [{ datatype: "FP16" }]))).toEqual({
      body: { inputs: given, parameters: { binary_data_output: true } },
      headers: {},
    });
  });

  it("come back as numbers, and texts as texts", () => {
    const tensors = [
      { name: "h", datatype: "FP16", shape: [2], data: Uint16Array.of(0x3e00, 0xc000) },
      { name: "t", datatype: "BYTES", shape: [2], data: ["sieben ☂", ""] },
      { name: "b", datatype: "BOOL", shape: [2], data: Uint8Array.of(1, 0) },
      { name: "l", datatype: "INT64", shape: [2], data: BigInt64Array.of(-5n, 2n ** 62n) },
      { name: "f", datatype: "FP32", shape: [1], data: Float32Array.of(Number.NaN) },
    ] as const;
    const { body, headerLength } = encodeResponse({
      modelName: "m",
      modelVersion: "1",
      id: undefined,
      outputs: tensors.map((tensor) => ({ tensor: { ...tensor, data: tensor.data as never }, binary: true })),
    });
    const { outputs = [] } = decodeAnswer(new Uint8Array(body), String(headerLength));
    expect(outputs.map(({ data }) => data)).toEqual([
      [1.5, -2],
      ["sieben ☂", ""],
      [true, false],
      [-5, "4611686018427387904"],
      [Number.NaN],
    ]);
  });

  it("leave an answer of JSON as it is", () => {
    const json = { outputs: [{ name: "y", datatype: "FP32", shape: [1], data: [1] }] };
    expect(decodeAnswer(new TextEncoder().encode(JSON.stringify(json)), null)).toEqual(json);
  });
});

describe("the decision of a pipeline", () => {
  const parameters = { skerry_stages: "pre+infer+decide", skerry_decision_rule: "argmax" };
  const text = (name: string, ...data: readonly string[]) => ({ name, datatype: "BYTES", shape: [data.length], data });
  const number = (name: string, ...data: readonly number[]) => ({ name, datatype: "FP32", shape: [data.length], data });

  it("is a row with its confidence for each row of the answer", () => {
    expect(
      decidedOf({ outputs: [number("p", 1), text("decision", "7", "1"), number("confidence", 0.9, 0.5)], parameters }),
    ).toEqual({
      stages: "pre+infer+decide",
      rule: "argmax",
      rows: [
        { decision: "7", confidence: 0.9 },
        { decision: "1", confidence: 0.5 },
      ],
      names: ["decision", "confidence"],
    });
  });

  it("is not an output of a graph that has its name", () => {
    const outputs = [text("decision", "the graph's"), text("skerry.decision", "ours"), number("confidence", 1)];
    expect(decidedOf({ outputs, parameters })?.rows).toEqual([{ decision: "ours", confidence: 1 }]);
  });

  it("is not there without steps that decide, nor of a graph alone", () => {
    const outputs = [text("decision", "the graph's")];
    expect(decidedOf({ outputs, parameters: { skerry_stages: "pre+infer" } })).toMatchObject({ rows: [], names: [] });
    expect(decidedOf({ outputs })).toBeUndefined();
  });
});

describe("a request with bytes for a program", () => {
  const infer = inferBody(
    [photos(file("it's 7.png", 0x89, 0, 10)), halves("1, 2"), { name: "n", datatype: "INT32", shape: [1], data: [7] }],
    [{ datatype: "FP16" }],
  );
  const request = { url: "http://x/infer", headers: { "Skerry-Prefer": "node=a" }, body: infer.json, infer };

  it.each(["curl", "Node", "Python"] as const)("in %s names the file and no key", (language) => {
    const code = codeFor(language, request);
    expect(code).toContain("7.png");
    expect(code).toContain("SKERRY_API_KEY");
    expect(code).toContain("node=a");
    expect(code).not.toContain("sk_");
  });

  it("is the same bytes in a shell as from the page", async () => {
    const { body } = encodeBody(infer);
    const sent = codeFor("curl", request)
      .split("\n")
      .find((line) => line.startsWith("{ "))
      ?.replace(/\| \\$/, "")
      .replace("cat -- 'it'\\''s 7.png'", "printf '\\211\\000\\012'");
    const { stdout, status } = spawnSync("sh", ["-c", sent ?? ""]);
    expect(status).toBe(0);
    expect(new Uint8Array(stdout)).toEqual(new Uint8Array(await (body as Blob).arrayBuffer()));
    expect(codeFor("curl", request)).toContain(`Length: ${Buffer.byteLength(sizedJson(infer))}"`);
  });

  it("with outputs that JSON does not have keeps the answer as a file", () => {
    expect(codeFor("curl", request)).toContain("-o answer.bin");
    expect(codeFor("curl", { ...request, infer: { ...infer, json: { inputs: [] } } })).not.toContain("-o ");
  });
});
