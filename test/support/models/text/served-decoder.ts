import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { bytesSource } from "../../../../control-plane/core/catalog/byte-source.ts";
import { describeDecoder } from "../../../../control-plane/core/catalog/decoder/describe.ts";
import { decoderNodes, newOutputsOnly } from "../../../../control-plane/core/catalog/onnx/cache-outputs.ts";
import type { FilePiece } from "../../../../control-plane/core/catalog/onnx/file-edit.ts";
import { inspectOnnx } from "../../../../control-plane/core/catalog/onnx/inspect.ts";
import type { TextModel } from "../../../../shared/text/text-model.ts";
import { tinyDecoder, type TinyDecoder } from "./tiny-decoder.ts";

/** Writes a tiny decoder into `folder` as a node has it: with the graph as the catalog's check leaves it. */
export async function writeServedDecoder(
  folder: string,
  options: TinyDecoder = {},
): Promise<{ readonly model: TextModel; readonly fileBytes: number }> {
  const files = tinyDecoder(options);
  const graph = Buffer.from(files["model.onnx"] ?? new Uint8Array(0));
  const source = bytesSource(graph);
  const found = inspectOnnx(source);
  if (found.kind === "refused") throw new Error(found.reason);
  const described = describeDecoder(
    {
      main: "model.onnx",
      has: (name) => files[name] !== undefined,
      read: (name) => (files[name] === undefined ? undefined : JSON.parse(Buffer.from(files[name]).toString("utf8"))),
    },
    found.model,
    decoderNodes(source).weights,
  );
  if (described.kind === "refused") throw new Error(described.reason);
  const { text } = described;
  if (text.decoder === undefined) throw new Error("it is no decoder");
  const pieces = newOutputsOnly(source, { ...text.decoder, opset: found.model.opset });
  const served = { ...files, "model.onnx": Buffer.concat(pieces.map((piece) => bytesOf(graph, piece))) };
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(served)) await writeFile(path.join(folder, name), content);
  return { model: text, fileBytes: Object.values(served).reduce((sum, { length }) => sum + length, 0) };
}

const bytesOf = (graph: Buffer, piece: FilePiece): Uint8Array =>
  piece instanceof Uint8Array ? piece : graph.subarray(piece.from, piece.to);
