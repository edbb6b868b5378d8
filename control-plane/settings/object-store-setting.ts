import { z } from "zod";
import type { BucketSettings } from "../adapters/artifacts/s3/bucket.ts";

type Bucket = Pick<BucketSettings, "bucket" | "prefix">;

interface ObjectStoreSettings {
  readonly SKERRY_OBJECT_STORE?: Bucket | undefined;
  readonly AWS_ENDPOINT_URL_S3?: string | undefined;
  readonly AWS_ENDPOINT_URL?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
}

/** A bucket and the key prefix in it, which ends in a slash unless it is empty. */
export function objectStoreOrComplain(text: string | undefined, context: z.RefinementCtx): Bucket | undefined {
  if (text === undefined) return undefined;
  const [, bucket, path = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[\w.-]+)*)\/?$/.exec(text) ?? [];
  if (bucket !== undefined) return { bucket, prefix: path === "" ? "" : `${path.slice(1)}/` };
  context.addIssue({ code: "custom", message: "not s3://BUCKET or s3://BUCKET/PREFIX" });
  return z.NEVER;
}

/** What the settings of the object store say together. */
export function objectStoreComplaint(data: ObjectStoreSettings): string | undefined {
  if (data.SKERRY_OBJECT_STORE === undefined) return undefined;
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret } = data;
  if ((id === undefined) === (secret === undefined)) return undefined;
  return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, and one of them is not set";
}

/** Undefined: model files are in `SKERRY_DATA_DIR`. */
export function objectStoreOf(data: ObjectStoreSettings): BucketSettings | undefined {
  if (data.SKERRY_OBJECT_STORE === undefined) return undefined;
  const endpoint = data.AWS_ENDPOINT_URL_S3 ?? data.AWS_ENDPOINT_URL;
  return { ...data.SKERRY_OBJECT_STORE, endpoint, region: data.AWS_REGION ?? (endpoint && "us-east-1") };
}
