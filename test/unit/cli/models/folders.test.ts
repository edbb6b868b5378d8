import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { findFiles } from "../../../../cli/models/find-files.ts";
import { largeBundle } from "../../../support/models/onnx/large-model.ts";
import { tinyDecoder } from "../../../support/models/text/tiny-decoder.ts";
import { tinyEncoder, writeTinyEncoder } from "../../../support/models/text/tiny-encoder.ts";
import { FLOAT, INT64, onnx, tensorType, value } from "../../control-plane/core/catalog/onnx/onnx-bytes.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skerry-folders-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

type Content = Uint8Array | string;

async function write(files: Readonly<Record<string, Content>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

const found = async (path = ".", main?: string) => {
  const { files, ...rest } = await findFiles(join(root, path), main);
  return { ...rest, files: files.map((file) => [file.local.slice(root.length + 1), file.path]) };
};
const sayings = async (path = ".", main?: string): Promise<string> =>
  findFiles(join(root, path), main).then(
    () => "found",
    (error: unknown) => JSON.stringify((error as { parts?: unknown }).parts ?? String(error)).replaceAll(root, "ROOT"),
  );

const GRAPH = onnx();
const DATA = largeBundle(1, 3);

describe("a decoder", () => {
  const { "model.onnx": graph = "", ...described } = tinyDecoder();
  const BESIDE = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

  it("is its graph with its external data and what describes it", async () => {
    await write({
      ...described,
      "model.onnx": graph,
      "README.md": "# tiny",
      "chat_template.jinja": "x",
      "vocab.json": "{}",
    });
    expect(await found()).toEqual({
      runtime: "generate",
      main: "model.onnx",
      files: [...BESIDE, "chat_template.jinja", "model.onnx"].toSorted().map((path) => [path, path]),
      notes: [
        `${root} is an export of a decoder with its tokenizer: model.onnx is pushed with what describes it, to write text.`,
      ],
    });
  });

  it("is chosen among its variants by --main, or by its usual name", async () => {
    await write({ ...described, "onnx/model_q4.onnx": graph, "onnx/model_fp16.onnx": graph });
    expect(await sayings()).toMatch(/several variants.*onnx\/model_fp16.onnx and onnx\/model_q4.onnx.*--main onnx/);
    expect((await found(".", "onnx/model_q4.onnx")).main).toBe("onnx/model_q4.onnx");
    await write({ "onnx/model.onnx": graph });
    const { main, notes } = await found();
    expect([main, notes[1]]).toEqual([
      "onnx/model.onnx",
      "Not sent, as they are other graphs: onnx/model_fp16.onnx and onnx/model_q4.onnx.",
    ]);
  });
});

describe("a folder with variants", () => {
  const YAML = "variants: [{ name: int8, file: small/model.int8.onnx }]";

  it("is its main graph with the graphs that its document names, and no other ones", async () => {
    await write({
      "model.onnx": GRAPH,
      "small/model.int8.onnx": GRAPH,
      "other.onnx": GRAPH,
      "samples.npz": "x",
      "variants.yaml": YAML,
    });
    expect(await found(".", "model.onnx")).toEqual({
      runtime: "onnx",
      main: "model.onnx",
      files: ["model.onnx", "samples.npz", "small/model.int8.onnx", "variants.yaml"].map((path) => [path, path]),
      notes: [
        "model.onnx is pushed with its variants: small/model.int8.onnx.",
        "Not sent, as they are other graphs: other.onnx.",
      ],
    });
  });

  it("needs no --main where only one graph is no variant", async () => {
    await write({ "model.onnx": GRAPH, "small/model.int8.onnx": GRAPH, "variants.yaml": YAML });
    expect((await found()).main).toBe("model.onnx");
  });

  it.each([
    ["a graph that is not there", YAML, /variants.yaml names small\/model.int8.onnx, which is not there/],
    [
      "a field that does not fit",
      "variants: [{ name: INT8, file: model.onnx }]",
      /variants.0.name: a name begins with/,
    ],
    ["no YAML", "variants: [", /variants.yaml declares no variants/],
  ])("is refused for %s, before anything is sent", async (_, document, sentence) => {
    await write({ "model.onnx": GRAPH, "variants.yaml": document });
    expect(await sayings()).toMatch(sentence);
  });
});

describe("a decoder without its tokenizer", () => {
  it.each([
    ["alone", {}],
    ["beside its configuration", { "config.json": "{}" }],
  ])("is a model of tensors %s, and the push says so", async (_, beside) => {
    await write({ ...beside, "model.onnx": tinyDecoder()["model.onnx"] ?? "" });
    const { runtime, notes } = await found();
    expect([runtime, notes]).toEqual([
      "onnx",
      [
        "model.onnx is a decoder with its cache: without tokenizer.json and config.json in the folder it is published as a model of tensors, and writes no text.",
      ],
    ]);
  });
});

describe("an encoder", () => {
  const described: Readonly<Record<string, Content>> = {
    ...tinyEncoder(),
    "README.md": "# tiny",
    "vocab.txt": "a",
    "special_tokens_map.json": "{}",
  };
  const BESIDE = ["1_Pooling/config.json", "config.json", "modules.json", "sentence_bert_config.json"];
  const TOKENIZER = ["tokenizer.json", "tokenizer_config.json"];

  it("of sentence-transformers is its graph with what describes it", async () => {
    await write(described);
    expect(await found()).toEqual({
      runtime: "embed",
      main: "model.onnx",
      files: [...BESIDE, "model.onnx", ...TOKENIZER].toSorted().map((path) => [path, path]),
      notes: [
        `${root} is a model of sentence-transformers: model.onnx is pushed with what describes it, to make embeddings.`,
      ],
    });
  });

  it("has its graph in a folder of its own, among others", async () => {
    const { "model.onnx": graph = "", ...rest } = described;
    await write({ ...rest, "onnx/model.onnx": graph, "onnx/model_O3.onnx": graph, "onnx/model_qint8.onnx": graph });
    const { main, notes } = await found();
    expect([main, notes[1]]).toEqual([
      "onnx/model.onnx",
      "Not sent, as they are other graphs: onnx/model_O3.onnx and onnx/model_qint8.onnx.",
    ]);
    expect((await found(".", "onnx/model_O3.onnx")).main).toBe("onnx/model_O3.onnx");
  });

  it("is asked for by name where no graph has the usual one", async () => {
    const { "model.onnx": graph = "", ...rest } = described;
    await write({ ...rest, "a.onnx": graph, "b.onnx": graph });
    expect(await sayings()).toContain("name the graph with --main, for example --main a.onnx");
  });

  it("may be a plain export with its tokenizer, with the graph's external data", async () => {
    await writeTinyEncoder(root, { isPlain: true });
    const { runtime, files } = await found();
    expect([runtime, files.map(([path]) => path)]).toEqual(["embed", ["config.json", "model.onnx", ...TOKENIZER]]);
  });

  it.each([
    ["takes its tokens and puts out vectors of tokens", ["input_ids", "attention_mask"], "last_hidden_state", "embed"],
    ["takes no tokens", ["attention_mask"], "last_hidden_state", "onnx"],
    ["takes a cache, too", ["input_ids", "past_key_values.0.key"], "last_hidden_state", "onnx"],
    ["puts out scores", ["input_ids", "attention_mask"], "logits", "onnx"],
  ])("is a plain export only with a graph of one: this one %s", async (_, inputs, output, runtime) => {
    await writeTinyEncoder(root, { isPlain: true });
    const tokens = tensorType(INT64, ["texts", "tokens"]);
    const outputs = [value(output, tensorType(FLOAT, ["texts", "tokens", 8]))];
    await write({ "model.onnx": onnx({ inputs: inputs.map((name) => value(name, tokens)), outputs }) });
    expect((await found()).runtime).toBe(runtime);
  });
});

describe("an MLflow model", () => {
  const mlmodel = (flavors: string): string => `artifact_path: model\nflavors:\n${flavors}\nmlflow_version: 3.4.0\n`;

  it("with the ONNX flavour is its graph with the data", async () => {
    const flavors =
      "  onnx:\n    data: net.onnx\n    onnx_version: 1.19.0\n  python_function:\n    loader_module: mlflow.onnx";
    await write({ MLmodel: mlmodel(flavors), "conda.yaml": "x", "python env.yaml": "x", ...DATA });
    expect(await found()).toEqual({
      runtime: "onnx",
      main: "net.onnx",
      files: ["net.onnx", "net.onnx.data", "more/two.bin"].map((path) => [path, path]),
      notes: [`${root} is an MLflow model with the ONNX flavour: net.onnx is pushed.`],
    });
  });

  it("of another flavour is named with the way to ONNX", async () => {
    await write({
      MLmodel: mlmodel("  sklearn:\n    pickled_model: model.pkl\n  python_function:\n    data: model.pkl"),
    });
    const said = await sayings();
    expect(said).toContain("ROOT is an MLflow model of the flavour sklearn, and only the ONNX flavour can be served");
    expect(said).toContain("skl2onnx.to_onnx(model, X[:1])");
    await write({ MLmodel: mlmodel("  prophet:\n    data: x") });
    expect(await sayings()).toContain("of the flavour prophet");
    await write({ MLmodel: "flavors: [" });
    expect(await sayings()).toContain("is not the description of an MLflow model");
  });
});

describe("a Triton model", () => {
  const CONFIG = `# made by hand
name: "densenet"
platform: "onnxruntime_onnx"
max_batch_size : 8
input [ { name: "data_0" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] }
`;

  it("is the graph of its newest version, under its own name", async () => {
    await write({ "config.pbtxt": CONFIG, "1/model.onnx": GRAPH, "10/model.onnx": GRAPH, "2/model.onnx": GRAPH });
    expect(await found()).toEqual({
      runtime: "onnx",
      main: "model.onnx",
      name: "densenet",
      files: [["10/model.onnx", "model.onnx"]],
      notes: [
        `${root} is a Triton model: 10/model.onnx is pushed, its newest version.`,
        "Settings of config.pbtxt without effect here: instance_group and dynamic_batching.",
      ],
    });
  });

  it("has its external data in a folder of the file's name", async () => {
    const { "net.onnx": graph = GRAPH, ...data } = DATA;
    const inside = Object.entries({ "model.onnx": graph, ...data }).map(([path, bytes]) => [
      `1/model.onnx/${path}`,
      bytes,
    ]);
    await write(Object.fromEntries(inside));
    expect((await found()).files.map(([, path]) => path)).toEqual(["model.onnx", "net.onnx.data", "more/two.bin"]);
  });

  it("is found in a repository of one, and asked for in one of several", async () => {
    await write({ "a/config.pbtxt": CONFIG, "a/1/model.onnx": GRAPH });
    expect(await found()).toMatchObject({ name: "densenet", files: [["a/1/model.onnx", "model.onnx"]] });
    await write({ "b/config.pbtxt": CONFIG, "b/1/model.onnx": GRAPH });
    expect(await sayings()).toContain("ROOT is a Triton model repository with 2 models: a and b");
  });

  it("for another backend is named", async () => {
    await write({ "config.pbtxt": 'backend: "python"', "1/model.py": "" });
    expect(await sayings()).toContain("ROOT is a Triton model for python, and only onnxruntime_onnx can be served");
  });
});

describe("a folder of an exporter", () => {
  it("is the graph with its tokenizer and configuration", async () => {
    await write({ "model.onnx": GRAPH, "config.json": "{}", "tokenizer.json": "{}" });
    expect(await found()).toMatchObject({
      runtime: "onnx",
      main: "model.onnx",
      files: ["config.json", "model.onnx", "tokenizer.json"].map((path) => [path, path]),
      notes: [],
    });
  });

  it("is sent without its empty files, and says so", async () => {
    await write({ "model.onnx": GRAPH, "model.onnx.data": "", "config.json": "{}" });
    expect(await found()).toMatchObject({
      files: ["config.json", "model.onnx"].map((path) => [path, path]),
      notes: ["Not sent, as they are empty: model.onnx.data."],
    });
  });

  it("with several graphs wants --main, and leaves the others and their data out", async () => {
    const { "net.onnx": graph = GRAPH, ...data } = DATA;
    const inOnnx = Object.fromEntries(Object.entries(data).map(([path, bytes]) => [`onnx/${path}`, bytes]));
    await write({ "onnx/model.onnx": graph, ...inOnnx, "onnx/model_q4.onnx": GRAPH, "config.json": "{}" });
    const said = await sayings();
    expect(said).toContain("it holds several graphs: onnx/model.onnx and onnx/model_q4.onnx");
    expect(said).toContain("--main onnx/model.onnx");
    expect(await found(".", "onnx/model_q4.onnx")).toEqual({
      runtime: "onnx",
      main: "onnx/model_q4.onnx",
      files: ["config.json", "onnx/model_q4.onnx"].map((path) => [path, path]),
      notes: ["Not sent, as they are other graphs: onnx/model.onnx, onnx/net.onnx.data, and onnx/more/two.bin."],
    });
    expect((await found(".", "onnx/model.onnx")).files).toHaveLength(4);
    expect(await sayings(".", "model_q8.onnx")).toContain("it has no file model_q8.onnx");
  });

  it.each([
    ["model.safetensors", "a Hugging Face checkpoint", "optimum-cli export onnx --model ROOT OUT"],
    ["saved_model.pb", "a TensorFlow SavedModel", "tf2onnx.convert --saved-model ROOT"],
    ["best.pt", "a folder with PyTorch files", "torch.onnx.export"],
    ["model.pkl", "a folder with Python pickles", "skl2onnx"],
    ["notes.txt", "holds no ONNX file", "name the graph with --main"],
  ])("without a graph but with %s is named with what to do", async (file, is, fix) => {
    await write({ [file]: "x", "config.json": "{}" });
    const said = await sayings();
    expect(said).toContain(is);
    expect(said).toContain(fix);
  });
});

describe("a file", () => {
  it("that is the data half of an export is named with its graph", async () => {
    await write(DATA);
    expect(await sayings("net.onnx.data")).toContain("it holds the tensors of net.onnx");
    await rm(join(root, "net.onnx"));
    expect(await sayings("net.onnx.data")).toContain("looks like the data half of an export");
  });

  it("of another format is refused before it is sent", async () => {
    await write({ "model.onnx": Buffer.from([0x80, 0x04, 0x95, ...Buffer.from("csklearn.ensemble")]) });
    expect(await sayings("model.onnx")).toContain("a scikit-learn model in a Python pickle");
  });

  it("takes no --main", async () => {
    await write({ "model.onnx": GRAPH });
    expect(await sayings("model.onnx", "model.onnx")).toContain("--main names the graph in a folder");
  });
});
