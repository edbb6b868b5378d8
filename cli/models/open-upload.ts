import { declaredVersion, type ModelVersion, unfinishedUpload } from "../../shared/api/v1/models.ts";
import type { BundleFile, Runtime } from "../../shared/protocol/model-files/bundle.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { isApiFailure } from "../api/problem.ts";
import { formatBytes } from "../output/units.ts";
import type { CommandContext } from "../run.ts";
import { modelPath, versionPath } from "./reference.ts";

/** What is pushed, and what is said of it. */
interface Content {
  readonly model: string;
  readonly runtime: Runtime;
  readonly main: string;
  readonly files: readonly BundleFile[];
  readonly labels: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface OpenUpload {
  readonly version: number;
  readonly uploadUrl: string;
  /** One for each file, in their order. `offset`: bytes that the control plane has. */
  readonly uploads: readonly { readonly uploadUrl: string; readonly offset: number }[];
}

/**
 * The upload to send the files to: that of an unfinished version with the same files, labels and metrics if there is one
 * among `same`, or of an unfinished repair of one that has lost its bytes; else that of a version declared now.
 */
export async function openUpload(
  run: CommandContext,
  api: ApiClient,
  content: Content,
  same: readonly ModelVersion[],
): Promise<OpenUpload> {
  const begun = same.findLast(
    (version) => isDamaged(version) || (version.state === "uploading" && isDescribedAlike(version, content)),
  );
  const unfinished = begun && (await readUnfinished(api, begun));
  if (!unfinished) return declare(api, content);
  const there = unfinished.uploads.reduce((sum, { offset }) => sum + offset, 0);
  run.output.say(
    `${begun.model}:${begun.version} was begun before: ${formatBytes(there)} of ${formatBytes(begun.bytes)} are there, the rest is sent.`,
  );
  return unfinished;
}

async function declare(api: ApiClient, { model, runtime, main, files, labels, metrics }: Content): Promise<OpenUpload> {
  const [only, ...more] = files;
  const isAlone = only !== undefined && more.length === 0 && runtime === "onnx";
  // A control plane that knows one runtime takes what names none.
  const content = isAlone ? { bytes: only.bytes, sha256: only.sha256 } : { main, files };
  const { body } = await api.post(`${modelPath(model)}/versions`, {
    ...content,
    ...(runtime !== "onnx" && { runtime }),
    labels,
    metrics,
  });
  const { version, uploadUrl, uploads } = decode(declaredVersion, body, "a declared version");
  const urls = files.map((_, at) => (at === 0 ? uploadUrl : (uploads[at]?.uploadUrl ?? "")));
  return { version: version.version, uploadUrl, uploads: urls.map((url) => ({ uploadUrl: url, offset: 0 })) };
}

/** Undefined when the upload ended in the meantime, or the control plane is older than this command. */
async function readUnfinished(api: ApiClient, { model, version }: ModelVersion): Promise<OpenUpload | undefined> {
  try {
    const { body } = await api.get(`${versionPath(model, version)}/upload`);
    return { version, ...decode(unfinishedUpload, body, "an unfinished upload") };
  } catch (error) {
    if (isApiFailure(error) && (error.status === 404 || error.status === 409)) return undefined;
    throw error;
  }
}

/** Published, and its bytes are not whole in the artifact store. */
export const isDamaged = ({ state, damage }: ModelVersion): boolean => state === "ready" && damage !== null;

function isDescribedAlike(version: ModelVersion, { labels, metrics }: Content): boolean {
  return isEqual(version.labels, labels) && isEqual(version.metrics, metrics);
}

function isEqual<Value>(a: Readonly<Record<string, Value>>, b: Readonly<Record<string, Value>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}
