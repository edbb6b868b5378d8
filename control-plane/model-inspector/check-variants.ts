import { readFileSync, rmSync } from "node:fs";
import { parse } from "yaml";
import { messageOf } from "../../shared/base/errors.ts";
import { filesOfGraph as pathsOfGraph } from "../../shared/model-files/graph-files.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../shared/protocol/model-files/bundle.ts";
import { artifactDigest } from "../../shared/protocol/model-files/manifest.ts";
import {
  MAX_VARIANTS_BYTES,
  VARIANTS_FILE,
  type VariantsDocument,
  variantsDocument,
  variantsFault,
} from "../../shared/protocol/model-files/variants.ts";
import { buildManifest, type NamedFile } from "../core/catalog/build-manifest.ts";
import { InspectionRefused } from "../core/catalog/inspection-refused.ts";
import type { OnnxModel } from "../core/catalog/onnx/inspect.ts";
import { signatureFault } from "../core/catalog/variants/signature-fault.ts";
import { readFully } from "./file-reader.ts";
import { editedGraph, inspectGraph, refuseLongManifest, type RequestedFile, withFile } from "./inspect-graph.ts";
import type { CheckedVariant, CheckRequest } from "./messages.ts";

/** The variants that a bundle declares; undefined: none. Throws `InspectionRefused` that names the field at fault. */
export function declaredVariants({ main, files }: Pick<CheckRequest, "main" | "files">): VariantsDocument | undefined {
  const found = files.find(({ name }) => name === VARIANTS_FILE);
  if (found === undefined) return undefined;
  const parsed = variantsDocument.safeParse(readYaml(found));
  if (!parsed.success) throw new InspectionRefused(`${VARIANTS_FILE}: ${variantsFault(parsed.error)}`);
  for (const { name, file } of parsed.data.variants) {
    if (file === main)
      throw new InspectionRefused(`${VARIANTS_FILE}: variant ${name} is ${file}, which is the main graph`);
    if (!files.some((each) => each.name === file))
      throw new InspectionRefused(`${VARIANTS_FILE}: variant ${name} names ${file}, which is not a file of the bundle`);
  }
  const samples = files.find(({ name }) => name === SAMPLES_FILE);
  if (samples === undefined)
    throw new InspectionRefused(
      `${VARIANTS_FILE}: a version with variants needs ${SAMPLES_FILE}, inputs on which each is compared with ${main} (docs/variants.md)`,
    );
  if (samples.bytes > MAX_SAMPLES_BYTES)
    throw new InspectionRefused(`${SAMPLES_FILE} has ${samples.bytes} bytes; at most ${MAX_SAMPLES_BYTES} are taken`);
  return parsed.data;
}

/** The files that a node gets for one of the graphs of a bundle: all but those that other graphs alone need. */
export function filesOfGraph<File extends { readonly name: string }>(
  graph: string,
  request: Pick<CheckRequest, "main" | "files">,
  { files, document }: { readonly files: readonly File[]; readonly document: VariantsDocument },
): readonly File[] {
  const byName = new Map(request.files.map((file) => [file.name, file]));
  const paths = pathsOfGraph(graph, {
    graphs: [request.main, ...document.variants.map(({ file }) => file)],
    paths: files.map(({ name }) => name),
    folder: {
      size: (path) => byName.get(path)?.bytes,
      read: (path, from, length) => readPart(byName.get(path), from, length),
    },
  });
  return files.filter(({ name }) => paths.has(name));
}

/** The variants with their manifests, in the order of the document. Throws `InspectionRefused` that names the variant. */
export function checkVariants(
  request: CheckRequest,
  reference: Pick<OnnxModel, "inputs" | "outputs">,
  { files, document }: { readonly files: readonly NamedFile[]; readonly document: VariantsDocument },
): readonly CheckedVariant[] {
  return document.variants.map(({ name, file }) => {
    const requested = request.files.find((each) => each.name === file);
    if (requested === undefined) throw new InspectionRefused(`variant ${name}: ${file} is not there`);
    const editedPath = `${request.editedPath}.variant`;
    const { edit, file: edited } = editedGraph(requested, editedPath);
    rmSync(editedPath, { force: true });
    if (edited !== undefined)
      throw new InspectionRefused(
        `variant ${name}: ${file} has to be changed to be served (a ZipMap, or inputs with default values), which is done for the main graph alone; export it without`,
      );
    const own = { main: file, files: [...filesOfGraph(file, request, { files: request.files, document })] };
    const inspection = inspectGraph(requested.path, own, edit.constants);
    if (inspection.kind === "refused") throw new InspectionRefused(`variant ${name}: ${file}: ${inspection.reason}`);
    const { model } = inspection;
    for (const [kind, specs, wanted] of [
      ["input", model.inputs, reference.inputs],
      ["output", model.outputs, reference.outputs],
    ] as const) {
      const fault = signatureFault(kind, specs, wanted);
      if (fault !== undefined) throw new InspectionRefused(`variant ${name}: ${fault}`);
    }
    const manifest = buildManifest(
      { ...request, main: file },
      filesOfGraph(file, request, { files, document }),
      // In the order and with the names of classes of the reference, as callers know them.
      { ...model, inputs: reference.inputs, outputs: reference.outputs },
    );
    const tooLong = refuseLongManifest(manifest);
    if (tooLong) throw new InspectionRefused(`variant ${name}: ${tooLong.reason}`);
    const { opset, irVersion } = model;
    return { name, manifest, artifact: artifactDigest(manifest), opset, irVersion };
  });
}

function readPart(file: RequestedFile | undefined, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(length, (file?.bytes ?? 0) - from)));
  if (file !== undefined) withFile(file.path, (fd) => readFully(fd, from, bytes));
  return bytes;
}

/** A YAML document without aliases, which could make it far larger than it is. */
function readYaml({ path, bytes }: RequestedFile): unknown {
  if (bytes > MAX_VARIANTS_BYTES)
    throw new InspectionRefused(`${VARIANTS_FILE} has more than ${MAX_VARIANTS_BYTES} bytes`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    return parse(text, { maxAliasCount: 0, uniqueKeys: true });
  } catch (error) {
    throw new InspectionRefused(`${VARIANTS_FILE}: ${messageOf(error).slice(0, 300)}`);
  }
}
