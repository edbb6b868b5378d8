import { z } from "zod";

/** Streams of one deployment, and of all deployments of one node: the desired document has to fit one message. */
export const MAX_STREAMS_PER_DEPLOYMENT = 4;
export const MAX_STREAMS_PER_NODE = 6;
/** Of one node in its report: those that end may be beside those that are declared. The report has to fit one message. */
export const MAX_STREAMS_REPORTED = 12;
/** Largest item of a stream, in bytes. */
export const MAX_STREAM_ITEM_BYTES = 8 * 1_048_576;

const shortName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "1–32 lower-case letters, digits and hyphens, beginning with a letter or digit");

export const streamName = shortName;
/**
 * running  reads, infers and delivers
 * waiting  something is missing, which a reason names; what arrived waits on the disk
 * ending   it is declared no more, and its results are still being delivered
 */
export const streamState = z.enum(["running", "waiting", "ending"]);

/**
 * A stream that an operator declares: what a node reads, sends through the deployment's model, and emits. Directories,
 * addresses and credentials are the device's own, so a declaration names a source and a sink of the device's file only.
 */
export const streamSpec = z.strictObject({
  name: shortName.describe("Name of the stream, unique in its deployment."),
  source: shortName.describe(
    "The source that is read, by its name in the streams file of the node. A node without it reports so and reads nothing.",
  ),
  sink: shortName.describe("Where results go, by its name in the streams file of the node."),
  expirySeconds: z
    .number()
    .int()
    .min(1)
    .max(2_678_400)
    .default(604_800)
    .describe("An item that is not delivered so long after it was read is discarded and counted as expired."),
  maxMiB: z
    .number()
    .int()
    .min(1)
    .max(16_384)
    .default(64)
    .describe("Most bytes of items and results that wait on the disk of one node."),
  whenFull: z
    .enum(["drop-oldest", "refuse"])
    .default("drop-oldest")
    .describe(
      "When so much waits: `drop-oldest` discards the oldest and counts it as dropped; `refuse` takes nothing more, so that callers, files and brokers wait.",
    ),
});

/**
 * The same as a node reads it. Loose: the digest of the desired document covers what a newer control plane may add. Names are
 * checked here too: a folder sink makes a file's name of them, and no control plane may lead it out of its folder.
 */
export const desiredStream = z.looseObject({
  name: shortName,
  source: shortName,
  sink: shortName,
  expirySeconds: z.number().int().min(1),
  maxMiB: z.number().int().min(1),
  whenFull: z.enum(["drop-oldest", "refuse"]),
});
export type DesiredStream = z.infer<typeof desiredStream>;
