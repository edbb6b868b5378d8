import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { artifactDigest, manifestBytes } from "../../shared/protocol/manifest.ts";
import { MAX_MANIFEST_BYTES } from "../../shared/protocol/limits.ts";
import { buildManifest } from "../core/catalog/build-manifest.ts";
import { inspectOnnx } from "../core/catalog/onnx-inspect.ts";
import { digestFile } from "./digest-file.ts";
import { fileSource } from "./file-reader.ts";
import type { CheckRequest, CheckResult } from "./messages.ts";

/** The whole check of one file, in the order in which a fault is the most likely to explain the ones after it. */
export function checkFile(request: CheckRequest): CheckResult {
  const fd = openSync(request.path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    if (size !== request.bytes)
      return rejected("DIGEST_MISMATCH", `${request.bytes} bytes were declared and ${size} are there`);
    const file = digestFile(fd, size);
    if (file.sha256 !== request.sha256) {
      return rejected(
        "DIGEST_MISMATCH",
        `the declared SHA-256 is ${request.sha256}, that of the ${size} bytes is ${file.sha256}: the file changed, or was damaged on its way`,
      );
    }
    const skim = inspectOnnx(fileSource(fd));
    if (skim.kind === "refused") return rejected("INVALID_MODEL", skim.reason);
    const { model } = skim;
    const manifest = buildManifest(request, file, model);
    const manifestLength = Buffer.byteLength(manifestBytes(manifest));
    if (manifestLength > MAX_MANIFEST_BYTES) {
      return rejected(
        "INVALID_MODEL",
        `its manifest has ${manifestLength} bytes, at most ${MAX_MANIFEST_BYTES} are allowed: ${file.chunks.length} chunks, ${model.inputs.length} inputs, ${model.outputs.length} outputs`,
      );
    }
    const { opset, irVersion, producer } = model;
    const checked = {
      manifest,
      artifact: artifactDigest(manifest),
      opset,
      irVersion,
      producer,
      inputs: manifest.inputs,
      outputs: manifest.outputs,
    };
    return { kind: "accepted", checked };
  } finally {
    closeSync(fd);
  }
}

const rejected = (code: "DIGEST_MISMATCH" | "INVALID_MODEL", reason: string): CheckResult => ({
  kind: "rejected",
  code,
  reason,
});
