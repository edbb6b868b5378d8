import { messageOf } from "../../../shared/base/errors.ts";
import { MAX_SAMPLES_BYTES, SAMPLES_FILE } from "../../../shared/protocol/model-files/bundle.ts";
import { encodeRequest } from "../../../shared/inference/request.ts";
import { isSamplesFault } from "../../../shared/inference/samples/samples-fault.ts";
import { readNpz } from "../../../shared/inference/samples/npz.ts";
import { sampleRows } from "../../../shared/inference/samples/sample-rows.ts";
import { manifest } from "../../../shared/protocol/model-files/manifest.ts";
import type { FleetVersion } from "../../core/fleet/types.ts";
import type { ArtifactStore } from "../../ports/catalog/artifacts.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";

/** Requests that are made of the samples of one version, at most: they are asked one after the other, then again. */
const MAX_REQUESTS = 100;

/** A request as it goes to a node. */
export interface SampleRequest {
  readonly body: Uint8Array;
  readonly headerLength: number;
}

/**
 * Reads the samples in the bundle of a version as requests. A text when there are none, or none that fit: why, in a sentence
 * about the version. Throws `STORAGE_UNAVAILABLE`, `DATABASE_UNAVAILABLE`.
 */
export async function samplesOf(
  { model, version, artifact, inputs, outputs }: FleetVersion,
  from: { readonly catalog: Pick<CatalogStore, "manifest">; readonly artifacts: Pick<ArtifactStore, "stream"> },
): Promise<readonly SampleRequest[] | string> {
  const name = `${model}:${version}`;
  const text = artifact === undefined ? null : await from.catalog.manifest(artifact);
  const file =
    text === null ? undefined : manifest.parse(JSON.parse(text)).files.find((each) => each.name === SAMPLES_FILE);
  if (!file) return `${name} has no samples (${SAMPLES_FILE})`;
  if (file.size > MAX_SAMPLES_BYTES) return `the samples of ${name} are too large`;
  const pieces: Uint8Array[] = [];
  for await (const piece of from.artifacts.stream(file.sha256)) pieces.push(piece);
  try {
    const arrays = readNpz(Buffer.concat(pieces), `${SAMPLES_FILE} of ${name}`, { maxBytes: MAX_SAMPLES_BYTES });
    return sampleRows(inputs, outputs, arrays)
      .slice(0, MAX_REQUESTS)
      .map((tensors) =>
        encodeRequest({ inputs: tensors.map((tensor) => ({ tensor, binary: true })), binaryOutput: true }),
      );
  } catch (error) {
    // Samples that nobody can read are the publisher's: each node that starts the version says so, too.
    return isSamplesFault(error) ? error.message : `the samples of ${name} cannot be read: ${messageOf(error)}`;
  }
}
