import { api, bodyOf } from "../api/client.ts";
import type { ModelVersion } from "../api/types.ts";
import { hashFile } from "./hash-file.ts";
import { sendFile } from "./send-file.ts";

/** How far a published file is. */
export type PublishState =
  | { readonly kind: "hashing" | "sending"; readonly done: number; readonly bytes: number; readonly note: string }
  | { readonly kind: "checking"; readonly version: number }
  | { readonly kind: "ready" | "there"; readonly version: number }
  | { readonly kind: "rejected"; readonly version: number; readonly why: string };

const LOOK_MS = 1_000;
/** The check of the largest graph takes less; beyond it the list of versions shows how it ended. */
const CHECK_MS = 600_000;

/** What is published: its files, and how the server is told what they are. */
export interface Publication {
  readonly runtime: ModelVersion["runtime"];
  /** Path of the file that the runtime loads. */
  readonly main: string;
  readonly files: readonly { readonly path: string; readonly file: File }[];
}

interface HashedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Makes files a version of a model: hashed, declared or found unfinished, sent from where the server is, and checked by the
 * server. The same files once more go on with what was begun, or find that they are there.
 */
export async function publish(
  of: Publication,
  model: string,
  { onState, signal }: { readonly onState: (state: PublishState) => void; readonly signal: AbortSignal },
): Promise<void> {
  const bytes = of.files.reduce((sum, { file }) => sum + file.size, 0);
  const hashed = await hashAll(of, {
    signal,
    onProgress: (done) => onState({ kind: "hashing", done, bytes, note: "" }),
  });
  await makeModel(model);
  const same = await versionsWith(model, of.main, hashed);
  const ready = same.find(({ state, damage }) => state === "ready" && damage === null);
  if (ready) return onState({ kind: "there", version: ready.version });
  const begun = same.find(({ state }) => state === "uploading");
  const { version, uploadUrl, urlOf } = begun ? await unfinished(begun) : await declare(model, of, hashed);
  let note = begun ? "Goes on with an upload that was begun before." : "";
  let before = 0;
  for (const { path, file } of of.files) {
    const sent = before;
    await sendFile(file, urlOf(path), {
      signal,
      onProgress: (done) => onState({ kind: "sending", done: sent + done, bytes, note }),
      onRetry: (why) => (note = `The connection broke (${why}); it goes on.`),
    });
    before += file.size;
  }
  await api.POST("/api/v1/uploads/{upload}/complete", { params: { path: { upload: idOf(uploadUrl) } } });
  onState({ kind: "checking", version });
  onState(await checked(model, version, signal));
}

async function hashAll(
  { files }: Publication,
  { onProgress, signal }: { readonly onProgress: (done: number) => void; readonly signal: AbortSignal },
): Promise<readonly HashedFile[]> {
  const hashed: HashedFile[] = [];
  let before = 0;
  for (const { path, file } of files) {
    const done = before;
    const sha256 = await hashFile(file, { signal, onProgress: (of) => onProgress(done + of) });
    hashed.push({ path, bytes: file.size, sha256 });
    before += file.size;
  }
  return hashed;
}

async function makeModel(name: string): Promise<void> {
  try {
    await api.POST("/api/v1/models", { body: { name } });
  } catch (error) {
    // It is there already, which is as well.
    if (!(error instanceof Error && "status" in error && error.status === 409)) throw error;
  }
}

async function versionsWith(
  model: string,
  main: string,
  files: readonly HashedFile[],
): Promise<readonly ModelVersion[]> {
  const { items } = await bodyOf(
    api.GET("/api/v1/models/{model}/versions", { params: { path: { model }, query: { limit: 500 } } }),
  );
  const content = contentOf(main, files);
  return items.filter((version) => contentOf(version.main, version.files) === content);
}

/** Equal for equal content: of one file its digest alone counts, as for the server. */
function contentOf(main: string, files: readonly Pick<HashedFile, "path" | "sha256">[]): string {
  const [only, ...more] = files;
  if (only !== undefined && more.length === 0) return only.sha256;
  return JSON.stringify([main, files.map(({ path, sha256 }) => `${path} ${sha256}`).toSorted()]);
}

interface Upload {
  readonly version: number;
  readonly uploadUrl: string;
  /** Where the file with this path goes. */
  readonly urlOf: (path: string) => string;
}

async function declare(model: string, { runtime, main }: Publication, files: readonly HashedFile[]): Promise<Upload> {
  const [only, ...more] = files;
  const isAlone = only !== undefined && more.length === 0 && runtime === "onnx";
  const body = isAlone ? { bytes: only.bytes, sha256: only.sha256 } : { runtime, main, files: [...files] };
  const declared = await bodyOf(api.POST("/api/v1/models/{model}/versions", { params: { path: { model } }, body }));
  const { version, uploadUrl, uploads } = declared;
  return { version: version.version, uploadUrl, urlOf: urlsOf(uploads, uploadUrl) };
}

async function unfinished({ model, version }: ModelVersion): Promise<Upload> {
  const { uploadUrl, uploads } = await bodyOf(
    api.GET("/api/v1/models/{model}/versions/{version}/upload", {
      params: { path: { model, version: String(version) } },
    }),
  );
  return { version, uploadUrl, urlOf: urlsOf(uploads, uploadUrl) };
}

/** By path; an only file may have been declared without one. */
function urlsOf(
  uploads: readonly { readonly path: string; readonly uploadUrl: string }[],
  first: string,
): (path: string) => string {
  const byPath = new Map(uploads.map(({ path, uploadUrl }) => [path, uploadUrl]));
  return (path) => byPath.get(path) ?? first;
}

async function checked(model: string, version: number, signal: AbortSignal): Promise<PublishState> {
  const end = performance.now() + CHECK_MS;
  while (performance.now() < end) {
    signal.throwIfAborted();
    const of = await bodyOf(
      api.GET("/api/v1/models/{model}/versions/{version}", { params: { path: { model, version: String(version) } } }),
    );
    if (of.state === "ready") return { kind: "ready", version };
    if (of.state === "rejected") return { kind: "rejected", version, why: of.reason ?? "no reason given" };
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return { kind: "checking", version };
}

const idOf = (uploadUrl: string): string => uploadUrl.split("/").at(-1) ?? "";
