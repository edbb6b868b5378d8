import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { ProcessModelHosts } from "../../../../edge-node/adapters/host-process/model-hosts.ts";
import type { HostResponse, ModelHost } from "../../../../edge-node/ports/model-hosts.ts";
import { joinElements } from "../../../../shared/inference/tensors/binary-tensor.ts";
import { JSON_BODY } from "../../../../shared/protocol/frames/inference-frame.ts";
import { bytesOf } from "../../../support/models/answer-bytes.ts";
import { tinyEncoder } from "../../../support/models/text/tiny-encoder.ts";
import { checkedPipeline } from "../../../support/models/pipeline-bundle.ts";
import { workFolder } from "../../../support/processes/compile-cache.ts";

const EXAMPLE = path.join(import.meta.dirname, "../../../../examples/digits");
let directory: string;
let hosts: ProcessModelHosts;
let folders = 0;
const running: ModelHost[] = [];
let document: Record<string, unknown>;
let digits: Uint8Array;
let jpeg: Uint8Array;
let png: Uint8Array;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "skerry-pipeline-"));
  hosts = new ProcessModelHosts({ workDirectory: workFolder(directory), mainFile: async () => "pipeline.yaml" });
  document = parse(await readFile(path.join(EXAMPLE, "pipeline.yaml"), "utf8")) as Record<string, unknown>;
  digits = await readFile(path.join(EXAMPLE, "models/digits.onnx"));
  jpeg = await readFile(path.join(EXAMPLE, "seven.jpg"));
  png = await readFile(path.join(EXAMPLE, "seven.png"));
});
afterAll(async () => {
  await Promise.all(running.map((each) => each.stop(0)));
  await rm(directory, { recursive: true, force: true });
});

async function publishAndStart(
  changed: object = {},
  files: Readonly<Record<string, Uint8Array>> = { "models/digits.onnx": digits },
): Promise<ModelHost> {
  folders += 1;
  const folder = path.join(directory, `model-${folders}`);
  const result = await checkedPipeline(folder, { ...document, ...changed }, files);
  expect(result).toMatchObject({ kind: "accepted" });
  const limits = { memMiB: 512, maxBatch: 8, queue: 64, timeoutMs: 60_000 };
  const spec = { placementId: "p", model: "m", version: "1", directory: folder, limits, isPipeline: true };
  const host = await hosts.start(spec, () => undefined, new AbortController().signal);
  running.push(host);
  return host;
}

interface Answer {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly data: readonly unknown[] }[];
  readonly error: string;
}

async function ask(host: ModelHost, header: object, blobs: readonly Uint8Array[] = []): Promise<Answer> {
  const json = Buffer.from(JSON.stringify(header));
  const body = Buffer.concat([json, ...blobs]);
  const headerLength = blobs.length === 0 ? JSON_BODY : json.length;
  return read(await host.infer({ body, headerLength, timeoutMs: 60_000, maxRows: 8 }));
}

const read = (answer: HostResponse): Answer => JSON.parse(Buffer.from(bytesOf(answer)).toString("utf8")) as Answer;

function photos(...files: readonly Uint8Array[]): { readonly input: object; readonly blob: Uint8Array } {
  const blob = joinElements(files);
  const parameters = { binary_data_size: blob.length };
  return { input: { name: "photo", datatype: "BYTES", shape: [files.length], parameters }, blob };
}

const outputOf = ({ outputs }: Answer, name: string): readonly unknown[] | undefined =>
  outputs.find((output) => output.name === name)?.data;

describe("a pipeline in its host", () => {
  let host: ModelHost;
  beforeAll(async () => {
    host = await publishAndStart();
  });

  it("makes a decision of a JPEG file and of a PNG file", async () => {
    expect(host.inputs).toEqual([{ name: "photo", datatype: "BYTES", shape: [-1] }]);
    expect(host.outputs.map(({ name }) => name)).toEqual(["probabilities", "decision", "confidence"]);
    const { input, blob } = photos(jpeg, png);
    const answer = await ask(host, { inputs: [input] }, [blob]);
    expect(outputOf(answer, "decision")).toEqual(["7", "7"]);
    expect(outputOf(answer, "probabilities")).toHaveLength(20);
    expect(answer.parameters).toEqual({ skerry_stages: "pre+infer+decide", skerry_decision_rule: "argmax" });
  });

  it("passes the stages that a request asks for, and no others", async () => {
    const { input, blob } = photos(png);
    const prepared = await ask(host, { parameters: { skerry_stages: "pre+infer" }, inputs: [input] }, [blob]);
    expect(prepared.outputs.map(({ name }) => name)).toEqual(["probabilities"]);
    const image = {
      name: "image",
      datatype: "FP32",
      shape: [1, 1, 28, 28],
      data: Array.from({ length: 784 }, () => 0),
    };
    const bare = await ask(host, { parameters: { skerry_stages: "infer" }, inputs: [image] });
    expect(bare.outputs.map(({ name }) => name)).toEqual(["probabilities"]);
    const decided = await ask(host, { parameters: { skerry_stages: "infer+decide" }, inputs: [image] });
    expect(decided.outputs.map(({ name }) => name)).toEqual(["probabilities", "decision", "confidence"]);
    const unknown = await ask(host, { parameters: { skerry_stages: "decide" }, inputs: [image] });
    expect(unknown.error).toContain(
      "this version declares the stages infer, pre+infer, infer+decide, pre+infer+decide",
    );
  });

  it("explains what its graphs take, and says so where raw data is to be explained", async () => {
    const data = Array.from({ length: 784 }, (_, at) => Number(at % 28 === 14));
    const image = { name: "image", datatype: "FP32", shape: [1, 1, 28, 28], data };
    const parameters = { skerry_explain: "occlusion", skerry_explain_window: 14, skerry_stages: "infer" };
    const bare = await ask(host, { parameters, inputs: [image] });
    expect(bare.outputs.map(({ name }) => name)).toEqual(["probabilities", "explanation"]);
    const { input, blob } = photos(png);
    const raw = await ask(host, { parameters: { skerry_explain: "occlusion" }, inputs: [input] }, [blob]);
    expect(raw.error).toContain("send the graphs' inputs with `skerry_stages`: `infer`");
  });

  it("answers the outputs that are named, in their order, and computes no decision that nobody asked for", async () => {
    const { input, blob } = photos(png);
    const outputs = [{ name: "confidence" }, { name: "decision" }];
    const answer = await ask(host, { inputs: [input], outputs }, [blob]);
    expect(answer.outputs.map(({ name }) => name)).toEqual(["confidence", "decision"]);
    expect(outputOf(answer, "decision")).toEqual(["7"]);
  });

  it("takes a picture as the raw body of a request", async () => {
    const answer = await host.infer({ body: jpeg, headerLength: 0, timeoutMs: 60_000, maxRows: 8 });
    const bytes = Buffer.from(bytesOf(answer));
    const header = JSON.parse(bytes.subarray(0, answer.headerLength).toString("utf8")) as Answer;
    expect(header.outputs.map(({ name, datatype }) => `${name} ${datatype}`)).toEqual([
      "probabilities FP32",
      "decision BYTES",
      "confidence FP32",
    ]);
  });

  it("answers the same for requests that share a run as for each alone", async () => {
    expect(host.noBatchReason).toBeUndefined();
    const one = async (file: Uint8Array): Promise<readonly unknown[] | undefined> => {
      const { input, blob } = photos(file);
      return outputOf(await ask(host, { inputs: [input] }, [blob]), "probabilities");
    };
    const alone = [await one(jpeg), await one(png)];
    const together = await Promise.all(Array.from({ length: 12 }, (_, i) => one(i % 2 === 0 ? jpeg : png)));
    expect(together).toEqual(Array.from({ length: 12 }, (_, i) => alone[i % 2]));
  });

  it("refuses a picture over its limit before it decodes it, and names the step", async () => {
    const steps = (document["steps"] as readonly object[]).with(0, {
      "decode-image": { mode: "L", maxPixels: 1_000_000 },
    });
    const strict = await publishAndStart({ steps });
    const huge = Buffer.from(png);
    huge.writeUInt32BE(50_000, 16);
    huge.writeUInt32BE(50_000, 20);
    const { input, blob } = photos(huge);
    expect((await ask(strict, { inputs: [input] }, [blob])).error).toBe(
      "steps[0].decode-image: element 0 has 50000 × 50000 pixels, 2500000000 with those before it; maxPixels is 1000000",
    );
  });

  it.each([
    ["a file that is no picture", () => Buffer.from("GIF89a"), "element 0: it is neither a JPEG nor a PNG file"],
    ["a damaged picture", () => png.subarray(0, 60), "element 0 is damaged"],
    ["an empty element", () => new Uint8Array(), "element 0: it is neither a JPEG nor a PNG file"],
  ])("refuses %s and answers the next request", async (_what, file, why) => {
    const refused = photos(file());
    expect((await ask(host, { inputs: [refused.input] }, [refused.blob])).error).toContain(
      `steps[0].decode-image: ${why}`,
    );
    const { input, blob } = photos(png);
    expect(outputOf(await ask(host, { inputs: [input] }, [blob]), "decision")).toEqual(["7"]);
  });
});

describe("a pipeline with a draft", () => {
  const drafted = (): Record<string, unknown> => ({
    steps: (document["steps"] as readonly object[]).with(0, {
      "decode-image": { mode: "L", draft: { width: 28, height: 28 } },
    }),
  });

  it("makes the same decision of a JPEG file that is decoded smaller", async () => {
    const host = await publishAndStart(drafted());
    const { input, blob } = photos(jpeg, png);
    expect(outputOf(await ask(host, { inputs: [input] }, [blob]), "decision")).toEqual(["7", "7"]);
  });

  it("keeps its memory over a hundred files that the decoder gives up on", async () => {
    const host = await publishAndStart(drafted());
    const broken = Buffer.from(jpeg);
    // More codes of one length than there can be.
    broken.fill(0xff, broken.indexOf(Buffer.from([0xff, 0xc4])) + 5, broken.indexOf(Buffer.from([0xff, 0xc4])) + 21);
    const refused = photos(broken);
    for (let time = 0; time < 100; time += 1)
      expect((await ask(host, { inputs: [refused.input] }, [refused.blob])).error).toContain("element 0 is damaged");
    const { input, blob } = photos(jpeg);
    expect(outputOf(await ask(host, { inputs: [input] }, [blob]), "decision")).toEqual(["7"]);
  });
});

const encoderFiles = (): Readonly<Record<string, Uint8Array>> => {
  const { "model.onnx": graph = "", "tokenizer.json": tokenizer = "" } = tinyEncoder();
  return { "encoder.onnx": Buffer.from(graph), "words/tokenizer.json": Buffer.from(tokenizer) };
};
const TEXT_PIPELINE = {
  inputs: [{ name: "text" }],
  steps: [{ tokenise: { file: "words/tokenizer.json", maxTokens: 32 } }, { model: { file: "encoder.onnx" } }],
};

describe("a pipeline of texts", () => {
  it("takes strings, and makes their tokens by the tokenizer of its bundle", async () => {
    const host = await publishAndStart(TEXT_PIPELINE, encoderFiles());
    const text = { name: "text", datatype: "BYTES", shape: [2], data: ["the pump", "storm at night!"] };
    const whole = await ask(host, { inputs: [text] });
    expect(whole.error).toBeUndefined();
    // [CLS] the pump [SEP] and [CLS] storm at night ! [SEP], by their places in the vocabulary.
    const rows = [
      [2, 9, 7, 3, 0, 0],
      [2, 8, 5, 6, 16, 3],
    ];
    const tensor = (name: string, of: (token: number) => number): object => ({
      name,
      datatype: "INT64",
      shape: [2, 6],
      data: rows.flat().map(of),
    });
    const inputs = [
      tensor("input_ids", (token) => token),
      tensor("attention_mask", (token) => (token === 0 ? 0 : 1)),
      tensor("token_type_ids", () => 0),
    ];
    const bare = await ask(host, { parameters: { skerry_stages: "infer" }, inputs });
    expect(outputOf(whole, "last_hidden_state")).toEqual(outputOf(bare, "last_hidden_state"));
  });

  it("is refused without its tokenizer, and with one that is none", async () => {
    const { "encoder.onnx": graph = new Uint8Array() } = encoderFiles();
    const pipeline = { pipeline: 1, ...TEXT_PIPELINE };
    const refusal = async (name: string, files: Readonly<Record<string, Uint8Array>>): Promise<unknown> =>
      checkedPipeline(path.join(directory, name), pipeline, { "encoder.onnx": graph, ...files });
    expect(await refusal("without", {})).toMatchObject({
      reason: "pipeline.yaml: words/tokenizer.json, which a step names, is not a file of the bundle",
    });
    expect(await refusal("none", { "words/tokenizer.json": Buffer.from("{}") })).toMatchObject({
      reason: "pipeline.yaml: words/tokenizer.json is no tokenizer: it has no model with a vocabulary",
    });
  });
});

describe("the check of a pipeline", () => {
  const refusal = async (text: string): Promise<string> => {
    folders += 1;
    const result = await checkedPipeline(path.join(directory, `bundle-${folders}`), text, {
      "models/digits.onnx": digits,
    });
    return result.kind === "rejected" ? result.reason : "";
  };
  const whole = () => readFile(path.join(EXAMPLE, "pipeline.yaml"), "utf8");

  it("says what the manifest tells nodes and callers", async () => {
    const result = await checkedPipeline(path.join(directory, "told"), document, { "models/digits.onnx": digits });
    expect(result).toMatchObject({
      kind: "accepted",
      checked: {
        opset: 17,
        manifest: {
          runtime: "pipeline",
          main: "pipeline.yaml",
          rows: { kind: "independent" },
          inputs: [{ name: "photo", datatype: "BYTES", shape: [-1] }],
          pipeline: { rule: "argmax", inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 28, 28] }] },
        },
      },
    });
  });

  it.each([
    [
      "a step that the graph does not fit",
      (text: string) => text.replace("order: NCHW", "order: NHWC"),
      'pipeline.yaml: steps[4].model: input "image" takes FP32 [any, 1, 28, 28], and is given FP32 [any, 28, 28, 1]',
    ],
    [
      "a misspelt field",
      (text: string) => text.replace("width:", "widht:"),
      'pipeline.yaml: steps[1].resize: Unrecognized key: "widht"',
    ],
    [
      "a graph that is not there",
      (text: string) => text.replace("models/digits.onnx", "models/other.onnx"),
      "pipeline.yaml: models/other.onnx, which a model step names, is not a file of the bundle",
    ],
    [
      "a field that would do nothing",
      (text: string) => text.replace("formats: [jpeg, png]", "formats: [png], draft: { width: 28, height: 28 }"),
      "pipeline.yaml: steps[0].decode-image: draft: it is for JPEG files, which `formats` leaves out: leave out the draft, or take jpeg",
    ],
    ["a list in place of a mapping", () => "- 1", "pipeline.yaml: it holds no mapping"],
  ])("refuses %s", async (_what, change, reason) => {
    expect(await refusal(change(await whole()))).toBe(reason);
  });

  it("refuses what is no YAML, and aliases, which could make a small document a huge one", async () => {
    expect(await refusal("steps: [")).toMatch(/^pipeline\.yaml: Flow sequence/);
    expect(await refusal("a: &a [1]\nb: [*a, *a]")).toMatch(/alias/i);
  });
});
