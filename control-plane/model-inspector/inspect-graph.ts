import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { MAX_MANIFEST_BYTES } from "../../shared/protocol/limits.ts";
import {
  artifactDigest,
  type Manifest,
  manifestBytes,
  type TensorSpec,
} from "../../shared/protocol/model-files/manifest.ts";
import type { DigestedFile } from "../core/catalog/build-manifest.ts";
import { externalFilesOf } from "../core/catalog/onnx/external-data.ts";
import { editGraph, type GraphEdit } from "../core/catalog/onnx/graph-edit.ts";
import { inspectOnnx, type OnnxInspection } from "../core/catalog/onnx/inspect.ts";
import { digestFile } from "./digest-file.ts";
import { fileSource } from "./file-reader.ts";
import type { CheckRequest, CheckResult } from "./messages.ts";
import { writeEdited } from "./write-edited.ts";

/** What the checks of all kinds of bundles have in common: a graph on disk, what it says, and how it is served. */

export type RequestedFile = CheckRequest["files"][number];
export type Rejected = Extract<CheckResult, { kind: "rejected" }>;

type Checked = Extract<CheckResult, { kind: "accepted" }>["checked"];
/** What the manifest does not say. */
type Further = Pick<Checked, "opset" | "producer" | "edited" | "variants"> & { readonly notes: readonly string[] };

/** The bundle with its manifest, unless that is too long for a node. `further`: of its graph, where it has one. */
export function accepted(manifest: Manifest, further: Partial<Further> = {}): CheckResult {
  const { opset = 0, producer = "", notes = [], edited, variants } = further;
  const { irVersion, inputs, outputs } = manifest;
  return (
    refuseLongManifest(manifest) ?? {
      kind: "accepted",
      checked: {
        manifest,
        artifact: artifactDigest(manifest),
        opset,
        irVersion,
        producer,
        inputs,
        outputs,
        notes: [...notes],
        ...(edited && { edited: { path: edited.path, bytes: edited.bytes, sha256: edited.sha256 } }),
        ...(variants && { variants }),
      },
    }
  );
}

export function refuseLongManifest(manifest: Manifest): Rejected | undefined {
  const length = Buffer.byteLength(manifestBytes(manifest));
  if (length <= MAX_MANIFEST_BYTES) return undefined;
  const chunks = manifest.files.reduce((sum, file) => sum + file.chunks.length, 0);
  return rejected(
    "INVALID_MODEL",
    `its manifest has ${length} bytes, at most ${MAX_MANIFEST_BYTES} are allowed: ${chunks} chunks, ${manifest.inputs.length} inputs, ${manifest.outputs.length} outputs`,
  );
}

/** `main`: the graph, beside whose path its external data is named. */
export const inspectGraph = (
  path: string,
  { main, files }: Pick<CheckRequest, "main" | "files">,
  constants: GraphEdit["constants"],
): OnnxInspection => withFile(path, (fd) => inspectOnnx(fileSource(fd), externalFilesOf(main, files), constants));

/** Writes the graph as it is served to `editedPath`; no file when it is served as it came. */
export function editedGraph(
  graph: RequestedFile,
  editedPath: string,
): { readonly file: DigestedFile | undefined; readonly edit: GraphEdit } {
  const edit = withFile(graph.path, (fd) => {
    const found = editGraph(fileSource(fd));
    if (found.pieces) writeEdited(fd, editedPath, found.pieces);
    return found;
  });
  const file = edit.pieces && withFile(editedPath, (fd) => digestFile(fd, fstatSync(fd).size));
  return { file, edit };
}

export const withClasses = (outputs: readonly TensorSpec[], classes: GraphEdit["classes"]): TensorSpec[] =>
  outputs.map((output) => {
    const known = classes.get(output.name);
    return known ? { ...output, parameters: { classes: [...known] } } : output;
  });

export function withFile<Result>(path: string, work: (fd: number) => Result): Result {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

export const rejected = (code: Rejected["code"], reason: string): Rejected => ({ kind: "rejected", code, reason });
