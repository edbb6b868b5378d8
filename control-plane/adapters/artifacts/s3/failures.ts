import { z } from "zod";
import { SkerryError } from "../../../../shared/base/errors.ts";

/** Answers that no retry mends, with what an operator can do. */
const REFUSALS: Readonly<Record<string, string>> = {
  NoSuchBucket: "there is no such bucket: create it, or correct SKERRY_OBJECT_STORE",
  AccessDenied: "the credentials may not do that: allow to list, get, put and delete objects there",
  InvalidAccessKeyId: "the access key is unknown: correct AWS_ACCESS_KEY_ID or the credentials file",
  XAdminUserNotFound: "the access key is unknown: correct AWS_ACCESS_KEY_ID or the credentials file",
  SignatureDoesNotMatch: "the secret key is wrong: correct AWS_SECRET_ACCESS_KEY or the credentials file",
  ExpiredToken: "the credentials have expired",
  CredentialsProviderError:
    "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SHARED_CREDENTIALS_FILE",
  PermanentRedirect: "the bucket is in another region: correct AWS_REGION",
  AuthorizationHeaderMalformed: "the bucket is in another region: correct AWS_REGION",
};
/** Of MinIO, Ceph and AWS, when a quota or the disks behind them are used up. */
const FULL = new Set(["XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage"]);
const INSUFFICIENT_STORAGE = 507;
const RETRY_AFTER_MS = 2_000;

interface Told {
  /** The code of the server's answer, or of the library's own error. */
  readonly name: string;
  readonly status: number | undefined;
  readonly message: string;
}

/** Not by `instanceof`: the library has a class for some codes only, and realms differ under Jest. */
function told(error: unknown): Told {
  const { name, message, $metadata } = thrown.parse(error ?? {});
  return { name, message: message === "" ? String(error) : message, status: $metadata?.httpStatusCode };
}

const thrown = z
  .object({
    name: z.string().default("Error"),
    message: z.string().default(""),
    $metadata: z
      .object({ httpStatusCode: z.number().optional().catch(undefined) })
      .optional()
      .catch(undefined),
  })
  .catch({ name: "Error", message: "" });

const MISSING = new Set(["NoSuchKey", "NoSuchUpload", "NotFound"]);

/** There is no object or upload of that name. A missing bucket is something else, but in the answer to HEAD, which has no body. */
export const isMissing = (error: unknown): boolean => MISSING.has(told(error).name);

/** The range begins behind the end of the object. */
export const isBeyondEnd = (error: unknown): boolean => told(error).status === 416;

/** `If-None-Match` found an object of that name, or somebody is writing one. */
export const isTaken = (error: unknown): boolean => {
  const { name, status } = told(error);
  return status === 412 || name === "PreconditionFailed" || name === "ConditionalRequestConflict";
};

/** Why no retry mends it, and what to do; undefined for what may pass. */
export function refusalOf(error: unknown): string | undefined {
  const { name, status } = told(error);
  const known = REFUSALS[name];
  if (known !== undefined) return `${known} (${name})`;
  // An answer to HEAD has no body that would name a code.
  if (status === 403) return `${REFUSALS["AccessDenied"]} (403)`;
  if (status === 301) return `${REFUSALS["PermanentRedirect"]} (301)`;
  return undefined;
}

/** The error to throw for what the library threw. `what`: an infinitive, e.g. `read files/abc`. Never with a secret. */
export function storageError(error: unknown, store: string, what: string): SkerryError {
  const { name, status, message } = told(error);
  if (FULL.has(name) || status === INSUFFICIENT_STORAGE)
    return new SkerryError("STORAGE_FULL", `the object store ${store} is full: it did not ${what}`, { cause: error });
  const why = refusalOf(error) ?? (isAbort(name) ? "no answer in time" : `${name}: ${firstLine(message)}`);
  return new SkerryError("STORAGE_UNAVAILABLE", `the object store ${store} did not ${what}: ${why}`, {
    retryAfterMs: RETRY_AFTER_MS,
    cause: error,
  });
}

const isAbort = (name: string): boolean => name === "AbortError" || name === "TimeoutError";

const MAX_MESSAGE = 200;
const firstLine = (text: string): string => (text.split("\n")[0] ?? "").slice(0, MAX_MESSAGE);
