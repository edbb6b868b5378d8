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

/**
 * Makes a file a version of a model: hashed, declared or found unfinished, sent from where the server is, and checked by
 * the server. The same file once more goes on with what was begun, or finds that it is there.
 */
export async function publish(
  file: File,
  model: string,
  { onState, signal }: { readonly onState: (state: PublishState) => void; readonly signal: AbortSignal },
): Promise<void> {
  const bytes = file.size;
  const sha256 = await hashFile(file, {
    signal,
    onProgress: (done) => onState({ kind: "hashing", done, bytes, note: "" }),
  });
  await makeModel(model);
  const same = await versionsWith(model, sha256);
  const ready = same.find(({ state, damage }) => state === "ready" && damage === null);
  if (ready) return onState({ kind: "there", version: ready.version });
  const begun = same.find(({ state }) => state === "uploading");
  const { version, uploadUrl } = begun ? await unfinished(begun) : await declare(model, { bytes, sha256 });
  let note = begun ? "Goes on with an upload that was begun before." : "";
  await sendFile(file, uploadUrl, {
    signal,
    onProgress: (done) => onState({ kind: "sending", done, bytes, note }),
    onRetry: (why) => (note = `The connection broke (${why}); it goes on.`),
  });
  await api.POST("/api/v1/uploads/{upload}/complete", { params: { path: { upload: idOf(uploadUrl) } } });
  onState({ kind: "checking", version });
  onState(await checked(model, version, signal));
}

async function makeModel(name: string): Promise<void> {
  try {
    await api.POST("/api/v1/models", { body: { name } });
  } catch (error) {
    // It is there already, which is as well.
    if (!(error instanceof Error && "status" in error && error.status === 409)) throw error;
  }
}

async function versionsWith(model: string, sha256: string): Promise<readonly ModelVersion[]> {
  const { items } = await bodyOf(
    api.GET("/api/v1/models/{model}/versions", { params: { path: { model }, query: { limit: 500 } } }),
  );
  return items.filter(({ files }) => files.length === 1 && files[0]?.sha256 === sha256);
}

interface Upload {
  readonly version: number;
  readonly uploadUrl: string;
}

async function declare(model: string, of: { readonly bytes: number; readonly sha256: string }): Promise<Upload> {
  const declared = await bodyOf(api.POST("/api/v1/models/{model}/versions", { params: { path: { model } }, body: of }));
  return { version: declared.version.version, uploadUrl: declared.uploadUrl };
}

async function unfinished({ model, version }: ModelVersion): Promise<Upload> {
  const { uploadUrl } = await bodyOf(
    api.GET("/api/v1/models/{model}/versions/{version}/upload", {
      params: { path: { model, version: String(version) } },
    }),
  );
  return { version, uploadUrl };
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
