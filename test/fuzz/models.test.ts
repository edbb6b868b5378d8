import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { bytesSource } from "../../control-plane/core/catalog/byte-source.ts";
import { inspectGguf } from "../../control-plane/core/catalog/gguf/inspect.ts";
import { editGraph } from "../../control-plane/core/catalog/onnx/graph-edit.ts";
import { inspectOnnx } from "../../control-plane/core/catalog/onnx/inspect.ts";
import {
  arithmeticModel,
  embeddingModel,
  identityModel,
  labelModel,
  lookUpModel,
  reshapeModel,
  softmaxModel,
  textToNumberModel,
} from "../support/models/onnx/onnx-models.ts";
import { tinyGguf } from "../support/models/text/tiny-gguf.ts";
import { fuzz, PATIENCE_MS } from "./support/fuzz.ts";
import { mutate } from "./support/mutate.ts";

const DIGITS = readFileSync(path.join(import.meta.dirname, "../../examples/digits/models/digits-small.onnx"));
const ONNX = [
  DIGITS,
  softmaxModel(),
  identityModel("FP32"),
  identityModel("BYTES", ["n"]),
  embeddingModel(),
  arithmeticModel("INT64"),
  lookUpModel(),
  reshapeModel(),
  textToNumberModel(),
  labelModel([Buffer.from("a"), Buffer.from("b")]),
];
const GGUF = tinyGguf();
/** What describes the model; its weights follow. */
const GGUF_HEAD = 65_536;
const MAX_REASON = 2_000;

describe("files that are no model, or nearly one", () => {
  it(
    "are read as ONNX or refused with a reason",
    async () => {
      const found = await fuzz("ONNX", (random) => {
        const source = bytesSource(mutate(ONNX, random));
        const read = inspectOnnx(source);
        if (read.kind === "refused" && (read.reason === "" || read.reason.length > MAX_REASON))
          throw new Error(`a reason of ${read.reason.length} characters`);
        if (read.kind === "model") editGraph(source);
      });
      expect(found).toEqual({ runs: expect.any(Number), faults: [] });
    },
    PATIENCE_MS,
  );

  it(
    "are read as GGUF or refused with a reason",
    async () => {
      const found = await fuzz("GGUF", (random) => {
        const head = mutate([GGUF.subarray(0, GGUF_HEAD)], random);
        const tail = random.next() < 0.5 ? GGUF.subarray(GGUF_HEAD) : Buffer.alloc(0);
        const read = inspectGguf(bytesSource(Buffer.concat([head, tail])));
        if (read.kind === "refused" && (read.reason === "" || read.reason.length > MAX_REASON))
          throw new Error(`a reason of ${read.reason.length} characters`);
      });
      expect(found).toEqual({ runs: expect.any(Number), faults: [] });
    },
    PATIENCE_MS,
  );
});
