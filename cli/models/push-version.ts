import { z } from "zod";
import { model, type ModelVersion, modelVersion } from "../../shared/api/v1/models.ts";
import { systemClock } from "../../shared/base/clock.ts";
import { systemRandom } from "../../shared/base/random.ts";
import { bundleDigest } from "../../shared/protocol/model-files/bundle-digest.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { isApiFailure } from "../api/problem.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { startProgress } from "../output/progress.ts";
import type { CommandContext } from "../run.ts";
import { waitUntil } from "../wait/wait-until.ts";
import type { LocalBundle } from "./find-files.ts";
import { fileSize, type HashedFile, hashFile } from "./hash-file.ts";
import { isDamaged, openUpload } from "./open-upload.ts";
import { modelPath, readModel, readVersion, versionPath } from "./reference.ts";
import { uploadFile } from "./upload.ts";

export interface PushRequest {
  readonly bundle: LocalBundle;
  readonly model: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface Pushed {
  readonly version: ModelVersion;
  readonly raw: unknown;
  /** False when a version with the same bytes was there already. */
  readonly uploaded: boolean;
  /** The bytes were sent for a published version that had lost them. */
  readonly isRepair: boolean;
}

/**
 * Brings the files of a bundle to the control plane as a new version; its
 * check goes on afterwards. Equal bytes are never sent twice, also when the push before this one was cut off.
 */
export async function pushVersion(run: CommandContext, api: ApiClient, request: PushRequest): Promise<Pushed> {
  const { runtime, main, files } = request.bundle;
  const hashed: HashedFile[] = [];
  for (const { local } of files) hashed.push(await hashWithProgress(run, local));
  const listed = hashed.map(({ bytes, sha256 }, at) => ({ path: files[at]?.path ?? "", bytes, sha256 }));
  await ensureModel(api, request.model);
  const versions = (await readList(api, `${modelPath(request.model)}/versions`, modelVersion)).items;
  const same = versions.filter(({ digest }) => digest === bundleDigest(listed, main));
  const isWhole = ({ state, damage }: ModelVersion): boolean =>
    state === "checking" || (state === "ready" && damage === null);
  const done = same.findLast(isWhole);
  if (done !== undefined)
    return { ...(await readVersion(api, request.model, done.version)), uploaded: false, isRepair: false };
  for (const { version, damage } of same)
    if (damage !== null)
      run.output.say(`${request.model}:${version} has the same bytes, and ${damage}: they are sent again.`);
  const open = await openUpload(run, api, { ...request, runtime, main, files: listed }, same);
  for (const [at, file] of hashed.entries()) {
    const { uploadUrl = "", offset = 0 } = open.uploads[at] ?? {};
    if (offset < file.bytes)
      await uploadWithProgress(run, api, file, { path: uploadPath(uploadUrl, api.target.server), offset });
  }
  await api.post(`${uploadPath(open.uploadUrl, api.target.server)}/complete`);
  const isRepair = same.some((version) => version.version === open.version && isDamaged(version));
  return { ...(await readVersion(api, request.model, open.version)), uploaded: true, isRepair };
}

/** Waits until the check of a version has ended; `rejected`, and a repair that failed, is a failure that says why. */
export async function waitForCheck(run: CommandContext, api: ApiClient, pushed: Pushed): Promise<Pushed> {
  let { version, raw } = pushed;
  try {
    await waitUntil(
      run,
      async () => {
        if (isOpen(version, pushed)) ({ raw, version } = await readVersion(api, version.model, version.version));
        return !isOpen(version, pushed) || (pushed.isRepair && !(await isBeingRepaired(api, version)));
      },
      200,
    );
  } catch (error) {
    if (!Error.isError(error) || error.name !== "WaitTimeout") throw error;
    throw new CliFailure(EXIT.unmet, {
      what: `${version.model}:${version.version} is still ${pushed.isRepair ? "damaged" : version.state}`,
      fix: `look again with \`skerry models inspect ${version.model}:${version.version}\``,
    });
  }
  if (version.state === "rejected") {
    throw new CliFailure(EXIT.error, {
      what: `${version.model}:${version.version} was rejected`,
      why: [version.reason ?? "no reason given"],
      fix: "export the model again and push it as a new version",
    });
  }
  if (pushed.isRepair && isDamaged(version))
    ({ raw, version } = await readVersion(api, version.model, version.version));
  if (pushed.isRepair && isDamaged(version)) {
    throw new CliFailure(EXIT.error, {
      what: `${version.model}:${version.version} was not repaired`,
      why: [version.damage ?? ""],
      fix: `see \`skerry events --object model/${version.model}\` for what the check of the bytes found`,
    });
  }
  return { ...pushed, version, raw };
}

const isOpen = (version: ModelVersion, { isRepair }: Pushed): boolean =>
  version.state === "uploading" || version.state === "checking" || (isRepair && isDamaged(version));

/** Whether the bytes that were sent again are still being checked. */
async function isBeingRepaired(api: ApiClient, { model, version }: ModelVersion): Promise<boolean> {
  try {
    await api.get(`${versionPath(model, version)}/upload`);
    return true;
  } catch (error) {
    if (isApiFailure(error) && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}

/** Lets an alias name a version, on condition that it still names what we saw. Returns false when it did so already. */
export async function moveAlias(
  api: ApiClient,
  move: { readonly model: string; readonly alias: string; readonly version: number },
): Promise<{ moved: boolean; from: number | undefined; raw: unknown }> {
  const { model: found } = await readModel(api, move.model);
  const from = Object.hasOwn(found.aliases, move.alias) ? found.aliases[move.alias] : undefined;
  if (from === move.version)
    return { moved: false, from, raw: { model: move.model, alias: move.alias, version: move.version } };
  const path = `${modelPath(move.model)}/aliases/${encodeURIComponent(move.alias)}`;
  const headers: Record<string, string> = from === undefined ? { "If-None-Match": "*" } : { "If-Match": `"${from}"` };
  const { body } = await api.call("PUT", path, { body: { version: move.version }, headers });
  return { moved: true, from, raw: body };
}

async function hashWithProgress(run: CommandContext, path: string): Promise<HashedFile> {
  const bar = await startProgress(run.output, "reading  ", await fileSize(path));
  try {
    return await hashFile(path, (done) => bar.update(done), run.signal);
  } finally {
    bar.stop();
  }
}

async function uploadWithProgress(
  run: CommandContext,
  api: ApiClient,
  file: HashedFile,
  target: { readonly path: string; readonly offset: number },
): Promise<void> {
  const bar = await startProgress(run.output, "uploading", file.bytes);
  try {
    await uploadFile(file, target, {
      api,
      clock: systemClock,
      random: systemRandom,
      signal: run.signal,
      onProgress: (done) => bar.update(done),
      onRetry: (sentence) => run.output.say(sentence),
    });
  } finally {
    bar.stop();
  }
}

async function ensureModel(api: ApiClient, name: string): Promise<void> {
  try {
    await api.get(modelPath(name));
  } catch (error) {
    if (!isApiFailure(error) || error.status !== 404) throw error;
    try {
      decode(model, (await api.post("/api/v1/models", { name })).body, "a model");
    } catch (creating) {
      // Somebody else made it between the two calls: that is what we wanted.
      if (!isApiFailure(creating) || creating.status !== 409) throw creating;
    }
  }
}

const uploadUrl = z.string().min(1);

/** The path of an upload. An address at another server is refused: the key would go there. */
function uploadPath(url: string, server: string): string {
  const resolved = new URL(uploadUrl.parse(url), `${server}/`);
  const base = new URL(server);
  if (resolved.origin !== base.origin) {
    throw new CliFailure(EXIT.error, {
      what: `the server wants the upload at ${resolved.origin}, which is not ${base.origin}`,
      fix: "speak to the control plane at the address it knows itself by",
    });
  }
  const prefix = base.pathname.replace(/\/+$/, "");
  return resolved.pathname.startsWith(`${prefix}/`) ? resolved.pathname.slice(prefix.length) : resolved.pathname;
}
