import { fstatSync } from "node:fs";
import { engineDocument, engineDocumentFaults } from "../../shared/protocol/model-files/engine-document.ts";
import {
  buildEncoderManifest,
  buildEngineManifest,
  buildManifest,
  buildTextManifest,
  type NamedFile,
} from "../core/catalog/build-manifest.ts";
import { describeDecoder } from "../core/catalog/decoder/describe.ts";
import { describeEncoder } from "../core/catalog/encoder/describe.ts";
import { inspectGguf } from "../core/catalog/gguf/inspect.ts";
import { isInspectionRefused } from "../core/catalog/inspection-refused.ts";
import { decoderNodes, newOutputsOnly } from "../core/catalog/onnx/cache-outputs.ts";
import { BundleFiles } from "./bundle-files.ts";
import { checkPipeline } from "./check-pipeline.ts";
import { checkVariants, declaredVariants, filesOfGraph } from "./check-variants.ts";
import { digestFile } from "./digest-file.ts";
import { writeEdited } from "./write-edited.ts";
import { fileSource } from "./file-reader.ts";
import {
  accepted,
  editedGraph,
  inspectGraph,
  type Rejected,
  rejected,
  type RequestedFile,
  withClasses,
  withFile,
} from "./inspect-graph.ts";
import type { CheckRequest, CheckResult } from "./messages.ts";

/** The whole check of one bundle, in the order in which a fault is the most likely to explain the ones after it. */
export function checkBundle(request: CheckRequest): CheckResult {
  const files: NamedFile[] = [];
  for (const requested of request.files) {
    const prefix = request.files.length === 1 ? "" : `${requested.name}: `;
    const found = checkDigest(requested, prefix);
    if ("kind" in found) return found;
    files.push(found);
  }
  const graph = request.files.find(({ name }) => name === request.main);
  if (!graph) return rejected("INVALID_MODEL", `${request.main} is not a file of the bundle`);
  if (request.runtime === "gguf") return checkText(graph, request, files);
  if (request.runtime === "generate") return checkDecoder(graph, request, files);
  if (request.runtime === "embed") return checkEncoder(graph, request, files);
  if (request.runtime === "engine") return checkEngine(request, files);
  if (request.runtime === "pipeline") return checkPipeline(request, files);
  return checkGraph(graph, request, files);
}

/** One graph that is run on tensors, and its variants if it has some. */
function checkGraph(graph: RequestedFile, request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  try {
    return checkedGraph(graph, request, files);
  } catch (error) {
    if (isInspectionRefused(error)) return rejected("INVALID_MODEL", error.message);
    throw error;
  }
}

function checkedGraph(graph: RequestedFile, request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  const document = declaredVariants(request);
  const ofMain = <File extends { readonly name: string }>(all: readonly File[]): readonly File[] =>
    document === undefined ? all : filesOfGraph(request.main, request, { files: all, document });
  const { file, edit } = editedGraph(graph, request.editedPath);
  const edited = file && { name: request.main, ...file };
  const served = edited ? files.map((file) => (file.name === request.main ? edited : file)) : files;
  const own = { main: request.main, files: [...ofMain(request.files)] };
  const inspection = inspectGraph(edited ? request.editedPath : graph.path, own, edit.constants);
  if (inspection.kind === "refused")
    return rejected(
      "INVALID_MODEL",
      request.files.length === 1 ? inspection.reason : `${request.main}: ${inspection.reason}`,
    );
  const model = { ...inspection.model, outputs: withClasses(inspection.model.outputs, edit.classes) };
  const manifest = buildManifest(request, ofMain(served), model, edit.defaults);
  const variants = document && {
    all: [...checkVariants(request, model, { files, document })],
    accuracy: document.accuracy,
  };
  const { opset, producer } = model;
  return accepted(manifest, {
    opset,
    producer,
    notes: edit.notes,
    ...(edited && { edited: { ...edited, path: request.main } }),
    ...(variants && { variants }),
  });
}

function checkText(file: RequestedFile, request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  const found = withFile(file.path, (fd) => inspectGguf(fileSource(fd)));
  if (found.kind === "refused") return rejected("INVALID_MODEL", found.reason);
  return accepted(buildTextManifest(request, files, { text: found.model }));
}

/** Nothing runs on the node: the document is all that there is to check. */
function checkEngine(request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  let document: unknown;
  try {
    document = new BundleFiles(request).read(request.main);
  } catch (error) {
    if (isInspectionRefused(error)) return rejected("INVALID_MODEL", error.message);
    throw error;
  }
  const parsed = engineDocument.safeParse(document);
  if (!parsed.success)
    return rejected(
      "INVALID_MODEL",
      `${request.main} declares no model of an engine: ${engineDocumentFaults(parsed.error)}`,
    );
  return accepted(buildEngineManifest(request, files, parsed.data));
}

/** The graph is served with other outputs, and what is beside it is read as far as it says how to write text. */
function checkDecoder(graph: RequestedFile, request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  const inspection = inspectGraph(graph.path, request, new Map());
  if (inspection.kind === "refused") return rejected("INVALID_MODEL", `${request.main}: ${inspection.reason}`);
  const { model } = inspection;
  const found = withFile(graph.path, (fd) => {
    try {
      const described = describeDecoder(new BundleFiles(request), model, decoderNodes(fileSource(fd)).weights);
      const decoder = described.kind === "decoder" ? described.text.decoder : undefined;
      if (decoder)
        writeEdited(fd, request.editedPath, newOutputsOnly(fileSource(fd), { ...decoder, opset: model.opset }));
      return described;
    } catch (error) {
      if (!isInspectionRefused(error)) throw error;
      return { kind: "refused", reason: error.message } as const;
    }
  });
  if (found.kind === "refused") return rejected("INVALID_MODEL", found.reason);
  const edited = withFile(request.editedPath, (fd) => digestFile(fd, fstatSync(fd).size));
  const served = files.map((file) => (file.name === request.main ? { ...edited, name: request.main } : file));
  const manifest = buildTextManifest(request, served, { text: found.text, model });
  const { opset, producer } = model;
  return accepted(manifest, { opset, producer, notes: found.notes, edited: { ...edited, path: request.main } });
}

/** The graph is loaded as it came, and what is beside it is read as far as it says how to make an embedding. */
function checkEncoder(graph: RequestedFile, request: CheckRequest, files: readonly NamedFile[]): CheckResult {
  const inspection = inspectGraph(graph.path, request, new Map());
  if (inspection.kind === "refused") return rejected("INVALID_MODEL", `${request.main}: ${inspection.reason}`);
  const { model } = inspection;
  const described = describeEncoder(new BundleFiles(request), model);
  if (described.kind === "refused") return rejected("INVALID_MODEL", described.reason);
  const { encoder, notes } = described;
  const manifest = buildEncoderManifest(request, files, { model, encoder });
  const { opset, producer } = model;
  return accepted(manifest, { opset, producer, notes });
}

function checkDigest(requested: RequestedFile, prefix: string): NamedFile | Rejected {
  return withFile(requested.path, (fd) => {
    const { size } = fstatSync(fd);
    if (size !== requested.bytes)
      return rejected("DIGEST_MISMATCH", `${prefix}${requested.bytes} bytes were declared and ${size} are there`);
    const file = digestFile(fd, size);
    if (file.sha256 === requested.sha256) return { ...file, name: requested.name };
    return rejected(
      "DIGEST_MISMATCH",
      `${prefix}the declared SHA-256 is ${requested.sha256}, that of the ${size} bytes is ${file.sha256}: the file changed, or was damaged on its way`,
    );
  });
}
