import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { readFully } from "../files.ts";
import { isMissing } from "./failures.ts";
import { inGroups } from "./in-groups.ts";
import { within } from "./within.ts";

/** Larger files are sent in parts of at least this. A store takes parts from 5 MiB on, and 10,000 of them. */
const PART_BYTES = 16 * 1024 * 1024;
const MAX_PARTS = 9_000;
const PARTS_AT_ONCE = 3;
/** Times that an upload is aborted, within 2 s: a store that is away is not waited for again. */
const ABORTS = 4;
const ABORTS_MS = 2_000;
const ABORT_PAUSE_MS = 100;
const ASK_MS = 20_000;
/** All attempts of one part, at 256 KiB/s; the parts of a file above 140 GiB are larger than 16 MiB. */
const partMs = (bytes: number): number => Math.max(64_000, Math.ceil(bytes / 256));

interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Stores a file as one object, which is there whole or not at all. The store compares each part with its SHA-256, a file
 * of one part with the file's own. What failed is given up at the store too: parts take room until then.
 *
 * Not `@aws-sdk/lib-storage`: it sends streams, of which it holds parts in memory, and brings a browser's `Buffer`, events
 * and streams for that. A file is read where a part begins.
 */
export async function uploadInParts(
  client: S3Client,
  target: Target,
  { path, bytes, sha256 }: { readonly path: string; readonly bytes: number; readonly sha256: string },
  signal?: AbortSignal,
): Promise<void> {
  const file = await open(path, "r");
  try {
    const Metadata = { sha256 };
    if (bytes > PART_BYTES) return await inParts(client, { target, Metadata, file, bytes, signal });
    const Body = await readPart(file, 0, bytes);
    const ChecksumSHA256 = Buffer.from(sha256, "hex").toString("base64");
    const put = { ...target, Metadata, Body, ContentLength: bytes, ChecksumSHA256 };
    await client.send(new PutObjectCommand(put), within(partMs(bytes), signal));
  } finally {
    await file.close();
  }
}

async function inParts(
  client: S3Client,
  from: {
    readonly target: Target;
    readonly Metadata: Record<string, string>;
    readonly file: FileHandle;
    readonly bytes: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { target, Metadata, file, bytes, signal } = from;
  const begin = new CreateMultipartUploadCommand({ ...target, Metadata, ChecksumAlgorithm: "SHA256" });
  const { UploadId } = await client.send(begin, within(ASK_MS, signal));
  const partBytes = Math.max(PART_BYTES, Math.ceil(bytes / MAX_PARTS));
  const Parts: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string }[] = [];
  try {
    const numbers = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, index) => index + 1);
    await inGroups(numbers, PARTS_AT_ONCE, async (PartNumber) => {
      const offset = (PartNumber - 1) * partBytes;
      const Body = await readPart(file, offset, Math.min(partBytes, bytes - offset));
      const ChecksumSHA256 = createHash("sha256").update(Body).digest("base64");
      const part = { ...target, UploadId, PartNumber, Body, ContentLength: Body.length, ChecksumSHA256 };
      const { ETag } = await client.send(new UploadPartCommand(part), within(partMs(Body.length), signal));
      Parts[PartNumber - 1] = { PartNumber, ETag, ChecksumSHA256 };
    });
    const complete = new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } });
    // A store puts a large object together before it answers.
    await client.send(complete, within(partMs(bytes), signal));
  } catch (error) {
    await giveUp(client, { ...target, UploadId }); // what is left the next start clears away
    throw error;
  }
}

/** Of those that begin with the prefix, a thousand at most. Returns how many there were. */
export async function abortOldUploads(
  client: S3Client,
  from: { readonly Bucket: string; readonly Prefix: string },
  before: Date,
): Promise<number> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand(from), within(ASK_MS));
  const old = Uploads.filter(({ Initiated }) => Initiated !== undefined && Initiated < before);
  for (const { Key, UploadId } of old) await abort(client, { Bucket: from.Bucket, Key, UploadId });
  return old.length;
}

/**
 * A part that is still being written when its upload is aborted may stay, or make the store refuse: S3 says to abort again
 * until there is none.
 */
async function giveUp(client: S3Client, upload: Parameters<typeof abort>[1]): Promise<void> {
  const end = performance.now() + ABORTS_MS;
  for (let attempt = 0; attempt < ABORTS && performance.now() < end; attempt += 1) {
    if (attempt > 0) await sleep(ABORT_PAUSE_MS * attempt * (0.5 + Math.random()));
    const isGone = await abort(client, upload).catch(() => false);
    if (isGone) return;
  }
}

/** True when there was none any more. */
async function abort(
  client: S3Client,
  upload: { readonly Bucket: string; readonly Key: string | undefined; readonly UploadId: string | undefined },
): Promise<boolean> {
  try {
    await client.send(new AbortMultipartUploadCommand(upload), within(ASK_MS));
    return false;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return true;
  }
}

async function readPart(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const part = Buffer.allocUnsafe(length);
  const count = await readFully(file, part, offset);
  if (count < length) throw new Error(`the file ends at byte ${offset + count}, ${offset + length} were to be sent`);
  return part;
}
