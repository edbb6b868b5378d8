import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { once } from "node:events";
import { EXIT } from "../../exit-codes.ts";
import { CliFailure } from "../../failure.ts";
import { parseModelReference, readVersion, resolveVersion, versionPath } from "../../models/reference.ts";
import { startProgress } from "../../output/progress.ts";
import { formatBytes } from "../../output/units.ts";
import type { CommandContext } from "../../run.ts";

/** Downloads a version's file. It takes its name only when its digest has been checked. */
export async function pullModel(
  run: CommandContext,
  reference: string,
  options: { readonly to?: string },
): Promise<void> {
  const api = await run.api();
  const parsed = parseModelReference(reference);
  const { version: of } = await readVersion(api, parsed.model, await resolveVersion(api, parsed));
  const target = options.to ?? `${of.model}-${of.version}.onnx`;
  const response = await api.stream(`${versionPath(of.model, of.version)}/artifact`, {
    headers: { Accept: "application/octet-stream" },
  });
  const bar = await startProgress(run.output, "downloading", of.bytes);
  const body = withProgress(response, (done) => bar.update(done));
  try {
    if (target === "-") await toStdout(body, of.digest);
    else await toFile(body, target, of.digest);
  } finally {
    bar.stop();
  }
  run.output.say(
    `${of.model}:${of.version} (${formatBytes(of.bytes)}) is in ${target === "-" ? "stdout" : target}; its digest is right.`,
  );
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
