import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { checkBundle } from "../../../control-plane/model-inspector/check-bundle.ts";
import type { CheckResult } from "../../../control-plane/model-inspector/messages.ts";
import { MANIFEST_FILE, PIPELINE_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { manifestBytes } from "../../../shared/protocol/model-files/manifest.ts";

/** Writes a pipeline with its graphs into a folder and checks it as the control plane does; the manifest lies beside it as on a node. */
export async function checkedPipeline(
  folder: string,
  document: object | string,
  graphs: Readonly<Record<string, Uint8Array>>,
): Promise<CheckResult> {
  const text = typeof document === "string" ? document : stringify(document);
  const contents = { [PIPELINE_FILE]: Buffer.from(text), ...graphs };
  const files = await Promise.all(
    Object.entries(contents).map(async ([name, bytes]) => {
      const at = path.join(folder, name);
      await mkdir(path.dirname(at), { recursive: true });
      await writeFile(at, bytes);
      return { name, path: at, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    }),
  );
  const result = checkBundle({
    model: "m",
    version: 1,
    runtime: "pipeline",
    main: PIPELINE_FILE,
    files,
    editedPath: path.join(folder, "edited.part"),
  });
  if (result.kind === "accepted")
    await writeFile(path.join(folder, MANIFEST_FILE), manifestBytes(result.checked.manifest));
  return result;
}
