import { createHash } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { once } from "node:events";
import { dirname, join } from "node:path";
import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { pathFault } from "../../../shared/protocol/model-files/bundle.ts";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure, usageFailure } from "../../failure.ts";
import { parseModelReference, readVersion, resolveVersion, versionPath } from "../../models/reference.ts";
import { startProgress } from "../../output/progress.ts";
import { formatBytes } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

/** Downloads a version's file, or its files into a folder. Each takes its name only when its digest has been checked. */
export async function pullModel(
  run: CommandContext,
  reference: string,
  options: { readonly to?: string },
): Promise<void> {
  const api = await run.api();
  const parsed = parseModelReference(reference);
  const { version: of } = await readVersion(api, parsed.model, await resolveVersion(api, parsed));
  const [only, ...more] = of.files;
  const isBundle = more.length > 0;
  const target = options.to ?? `${of.model}-${of.version}${isBundle ? "" : ".onnx"}`;
  if (isBundle) await pullFiles(run, of, target);
  else await pullFile(run, of, { target, bytes: of.bytes, digest: only ? `sha256:${only.sha256}` : of.digest });
  const place = target === "-" ? "stdout" : target;
  run.output.say(
    isBundle
      ? `The ${of.files.length} files of ${of.model}:${of.version} (${formatBytes(of.bytes)}) are in ${place}; their digests are right.`
      : `${of.model}:${of.version} (${formatBytes(of.bytes)}) is in ${place}; its digest is right.`,
  );
}

async function pullFiles(run: CommandContext, of: ModelVersion, folder: string): Promise<void> {
  if (folder === "-") {
    throw usageFailure(
      `${of.model}:${of.version} has ${of.files.length} files, which stdout cannot hold`,
      "name a folder with --to",
    );
  }
  for (const { path } of of.files) {
    const fault = pathFault(path);
    if (fault !== undefined)
      throw new CliFailure(EXIT.error, { what: `the server names a file ${JSON.stringify(path)}`, why: [fault] });
  }
  for (const { path, bytes, sha256 } of of.files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await pullFile(run, of, { target, bytes, digest: `sha256:${sha256}`, path });
  }
}

/** One file; `path` names it where the version has several. */
async function pullFile(
  run: CommandContext,
  { model, version }: ModelVersion,
  file: { readonly target: string; readonly bytes: number; readonly digest: string; readonly path?: string },
): Promise<void> {
  const api = await run.api();
  const response = await api.stream(`${versionPath(model, version)}/artifact`, {
    headers: { Accept: "application/octet-stream" },
    ...(file.path !== undefined && { query: { file: file.path } }),
  });
  const bar = await startProgress(run.output, "downloading", file.bytes);
  const body = withProgress(response, (done) => bar.update(done));
  try {
    if (file.target === "-") await toStdout(body, file.digest);
    else await toFile(body, file.target, file.digest);
  } finally {
    bar.stop();
  }
}

async function* withProgress(response: Response, onProgress: (done: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const piece of response.body ?? []) {
    done += piece.length;
    onProgress(done);
    yield piece;
  }
}

async function toFile(body: AsyncIterable<Uint8Array>, path: string, digest: string): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  const file = await open(temporary, "wx");
  try {
    const hash = createHash("sha256");
    for await (const piece of body) {
      hash.update(piece);
      await file.write(piece);
    }
    checkDigest(hash.digest("hex"), digest);
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
}

// What is on stdout cannot be taken back: the exit code says whether it may be used.
async function toStdout(body: AsyncIterable<Uint8Array>, digest: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const piece of body) {
    hash.update(piece);
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
  checkDigest(hash.digest("hex"), digest);
}

function checkDigest(hex: string, digest: string): void {
  if (`sha256:${hex}` === digest) return;
  throw new CliFailure(EXIT.error, {
    what: "the downloaded bytes are not those of the version",
    why: [`expected ${digest}`, `received sha256:${hex}`],
    fix: "pull it again; if it stays, the server's artifact store is damaged",
  });
}
