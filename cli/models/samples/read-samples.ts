import { readFile, stat } from "node:fs/promises";
import type { NpyArray } from "../../../shared/inference/samples/npy.ts";
import { readNpz } from "../../../shared/inference/samples/npz.ts";
import { isSamplesFault } from "../../../shared/inference/samples/samples-fault.ts";
import { usageFailure } from "../../failure.ts";
import { fileSize } from "../hash-file.ts";

const MAX_FILE_BYTES = 256 * 1024 ** 2;

export interface Samples {
  readonly path: string;
  readonly bytes: number;
  readonly arrays: ReadonlyMap<string, NpyArray>;
}

/** The samples in a file. Throws a usage failure that says what is wrong with it. */
export async function readSamples(path: string): Promise<Samples> {
  await fileSize(path);
  const { size: bytes } = await stat(path);
  if (bytes > MAX_FILE_BYTES) throw usageFailure(`${path} has ${bytes} bytes; samples may have ${MAX_FILE_BYTES}`);
  const content = await readFile(path);
  return { path, bytes, arrays: asUsage(() => readNpz(content, path)) };
}

/** `work`, with a fault of the samples as a usage failure. */
export function asUsage<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw isSamplesFault(error) ? usageFailure(error.message, error.fix) : error;
  }
}
