import { createHash } from "node:crypto";
import { addAbortSignal, Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { MeasuredStoreRequest } from "../../../ports/metrics.ts";
import { inGroups } from "./in-groups.ts";
import { abortOldUploads, uploadInParts } from "./multipart.ts";
import { isBeyondEnd, isMissing, isTaken, storageError } from "./failures.ts";
import { within } from "./within.ts";

export interface BucketSettings {
  readonly bucket: string;
  /** Empty, or with a slash at its end. */
  readonly prefix: string;
  /** Of a store that is not AWS; undefined: AWS. */
  readonly endpoint: string | undefined;
  /** Undefined: as the files of the AWS command line say. */
  readonly region: string | undefined;
}

/** One object. */
export interface Found {
  /** Without the prefix. */
  readonly key: string;
  readonly bytes: number;
}

/** One try and its two repetitions, each with a pause with full jitter before it, out of the library's budget of retries. */
const ATTEMPTS = 3;
const CONNECT_MS = 3_000;
/** A connection on which nothing moves is given up after this. */
const SILENCE_MS = 15_000;
/** All attempts of a request without a body to speak of. */
const ASK_MS = 20_000;
/** All attempts of a request that carries up to 16 MiB: 256 KiB/s. */
const CARRY_MS = 64_000;
const DELETES_AT_ONCE = 16;

/** What Skerry asks of a bucket. Keys are below the prefix. Throws `STORAGE_UNAVAILABLE` and `STORAGE_FULL`. */
export class Bucket {
  /** For messages. */
  readonly name: string;
  readonly #settings: BucketSettings;
  readonly #client: S3Client;
  readonly #onAsked: (request: MeasuredStoreRequest) => void;

  /** `onAsked` is called after each request. */
  constructor(settings: BucketSettings, onAsked: (request: MeasuredStoreRequest) => void = () => undefined) {
    const { bucket, prefix, endpoint, region } = settings;
    this.name = `s3://${bucket}${prefix === "" ? "" : `/${prefix.slice(0, -1)}`}`;
    this.#settings = settings;
    this.#onAsked = onAsked;
    this.#client = new S3Client({
      // Other stores have buckets by path: a name for each needs DNS that they often lack.
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
      ...(region !== undefined && { region }),
      maxAttempts: ATTEMPTS,
      retryMode: "standard",
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
      // Digests are sent where this file says so; the library's own CRC is unknown to older stores.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    this.#client.middlewareStack.add(
      (next, { commandName = "" }) =>
        (args) =>
          // An answer with a body is here when its last byte is: `read` measures those.
          commandName === GetObjectCommand.name ? next(args) : this.#measured(commandName, () => next(args)),
      { step: "initialize", name: "measured" },
    );
  }

  /** Undefined when there is none. */
  async head(key: string): Promise<(Found & { readonly sha256: string | undefined }) | undefined> {
    try {
      const found = await this.#client.send(new HeadObjectCommand(this.#at(key)), within(ASK_MS));
      return { key, bytes: found.ContentLength ?? 0, sha256: found.Metadata?.["sha256"] };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storageError(error, this.name, `say whether it has ${key}`);
    }
  }

  /**
   * Stores an object where there is none. False: there is one of that name with other bytes. One with the same bytes is
   * ours: the answer to an earlier attempt was lost.
   */
  async putNew(key: string, body: Uint8Array): Promise<boolean> {
    const digest = createHash("sha256").update(body).digest();
    try {
      const put = { ...this.#at(key), Body: body, ContentLength: body.length, IfNoneMatch: "*" };
      const command = new PutObjectCommand({
        ...put,
        ChecksumSHA256: digest.toString("base64"),
        Metadata: { sha256: digest.toString("hex") },
      });
      await this.#client.send(command, within(CARRY_MS));
      return true;
    } catch (error) {
      // Also after a broken connection: a store that refuses a repetition may close it before all of the body has come.
      const found = await this.head(key).catch(() => undefined);
      if (found) return found.sha256 === digest.toString("hex");
      if (isTaken(error)) return false;
      throw storageError(error, this.name, `store ${key}`);
    }
  }

  /** Stores a file of this machine, in place of what has the name: whole or not at all. */
  async putFile(
    key: string,
    file: { readonly path: string; readonly bytes: number; readonly sha256: string },
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await uploadInParts(this.#client, this.#at(key), file, signal);
    } catch (error) {
      signal?.throwIfAborted();
      // The answer to an earlier attempt to put the parts together was lost: then there is no upload in parts any more.
      if (isMissing(error) && (await this.head(key))?.sha256 === file.sha256) return;
      throw storageError(error, this.name, `store ${key}`);
    }
  }

  /** Fewer bytes than were asked for at the object's end. Undefined when there is no object. */
  async read(
    key: string,
    range: { readonly offset: number; readonly length: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { offset, length } = range;
    const Range = `bytes=${offset}-${offset + length - 1}`;
    for (let attempt = 1; ; attempt += 1) {
      const options = within(CARRY_MS, signal);
      try {
        const bytes = await this.#measured(GetObjectCommand.name, async () => {
          const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#at(key), Range }), options);
          return collect(Body, { atMost: length, signal: options.abortSignal }).catch(cutOff);
        });
        if (bytes) return bytes;
      } catch (error) {
        signal?.throwIfAborted();
        if (isMissing(error)) return undefined;
        if (isBeyondEnd(error)) return new Uint8Array();
        throw storageError(error, this.name, `send ${key}`);
      }
      signal?.throwIfAborted();
      // The library repeats requests, not answers that broke off: they are asked for again here, as often.
      if (attempt === ATTEMPTS) throw storageError(new Error("its answer broke off"), this.name, `send ${key}`);
    }
  }

  /** `work` fails by an error, or by nothing in place of an answer. */
  async #measured<Answer>(command: string, work: () => Promise<Answer>): Promise<Answer> {
    const startedAt = performance.now();
    const tell = (isAnswered: boolean): void =>
      this.#onAsked({
        operation: command.replace(/Command$/, ""),
        isAnswered,
        seconds: (performance.now() - startedAt) / 1_000,
      });
    try {
      const answer = await work();
      tell(answer !== undefined);
      return answer;
    } catch (error) {
      tell(isMissing(error) || isTaken(error) || isBeyondEnd(error));
      throw error;
    }
  }

  /** All objects whose keys begin so, by their keys. */
  async list(begin: string): Promise<readonly Found[]> {
    const found: Found[] = [];
    await this.#pages({ begin }, ({ Contents = [] }) => {
      for (const { Key = "", Size = 0 } of Contents) found.push({ key: this.#keyOf(Key), bytes: Size });
    });
    return found;
  }

  /** What is between `begin` and the next slash, of all keys that begin so. */
  async folders(begin: string): Promise<readonly string[]> {
    const found: string[] = [];
    await this.#pages({ begin, delimiter: "/" }, ({ CommonPrefixes = [] }) => {
      for (const { Prefix = "" } of CommonPrefixes) found.push(this.#keyOf(Prefix).slice(begin.length, -1));
    });
    return found;
  }

  /** No effect on those that are not there. */
  async delete(keys: readonly string[]): Promise<void> {
    await inGroups(keys, DELETES_AT_ONCE, async (key) => {
      try {
        await this.#client.send(new DeleteObjectCommand(this.#at(key)), within(ASK_MS));
      } catch (error) {
        if (!isMissing(error)) throw storageError(error, this.name, `delete ${key}`);
      }
    });
  }

  /**
   * Gives up what was begun in parts before a date, under keys that begin so, and never finished: its parts take room. What
   * others keep in the bucket is left alone.
   */
  async abortOldUploads(begin: string, before: Date): Promise<number> {
    const { bucket, prefix } = this.#settings;
    try {
      return await abortOldUploads(this.#client, { Bucket: bucket, Prefix: prefix + begin }, before);
    } catch (error) {
      throw storageError(error, this.name, "list what was begun in parts");
    }
  }

  async #pages(
    { begin, delimiter }: { readonly begin: string; readonly delimiter?: string },
    onPage: (page: {
      readonly Contents?: { readonly Key?: string | undefined; readonly Size?: number | undefined }[] | undefined;
      readonly CommonPrefixes?: { readonly Prefix?: string | undefined }[] | undefined;
    }) => void,
  ): Promise<void> {
    const { bucket, prefix } = this.#settings;
    const listed = { Bucket: bucket, Prefix: prefix + begin, Delimiter: delimiter };
    let next: string | undefined;
    try {
      do {
        const command = new ListObjectsV2Command({ ...listed, ContinuationToken: next });
        const page = await this.#client.send(command, within(ASK_MS));
        onPage(page);
        next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (next !== undefined);
    } catch (error) {
      throw storageError(error, this.name, `list ${begin}`);
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    const { bucket, prefix } = this.#settings;
    return { Bucket: bucket, Key: prefix + key };
  }

  #keyOf(key: string): string {
    return key.slice(this.#settings.prefix.length);
  }
}

const cutOff = (): undefined => undefined;

/** Throws when the body breaks off, or has more than was asked for. */
async function collect(
  body: unknown,
  { atMost, signal }: { readonly atMost: number; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  if (!(body instanceof Readable)) throw new TypeError("the answer has no body");
  const bytes = Buffer.allocUnsafe(atMost);
  let at = 0;
  for await (const block of addAbortSignal(signal, body) as AsyncIterable<Buffer>) {
    if (at + block.length > atMost) throw new RangeError("the answer is longer than the range that was asked for");
    at += block.copy(bytes, at);
  }
  return bytes.subarray(0, at);
}
