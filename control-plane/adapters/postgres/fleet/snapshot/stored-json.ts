import { z } from "zod";
import { rolloutRecord } from "../../../../../shared/api/v1/rollouts/rollouts.ts";
import { streamReport } from "../../../../../shared/protocol/messages/load-report.ts";

/** A rollout as it is read; instants are of the database's clock, in ms since 1970. */
export const storedRollout = z.object({
  number: z.number(),
  revision: z.number(),
  record: rolloutRecord,
  beganAt: z.number(),
  phaseAt: z.number(),
  endedAt: z.number().nullable(),
});

/** What happened to versions on a node as it is read; instants are of the database's clock, in ms since 1970. */
export const storedHistories = z.array(
  z.object({
    model: z.string(),
    version: z.number(),
    loadFailures: z.number(),
    memMiB: z.number().nullable(),
    agent: z.string().nullable(),
    evictedAt: z.number().nullable(),
  }),
);

/** What is stored of a load report. */
export const storedLoad = z.object({
  cpuPct: z.number(),
  memFreeMiB: z.number(),
  diskFreeMiB: z.number(),
  rttMs: z.number(),
  rif: z.number(),
  pushBytesPerMs: z.number().optional(),
  /** How old that was when it was stored; of an older control plane it is not known, and counts as measured then. */
  pushAgeMs: z.number().optional(),
  streams: z.array(streamReport).optional(),
  /** Ages in ms, when it was stored. */
  errors: z
    .array(
      z.object({
        model: z.string(),
        version: z.number(),
        requests: z.number(),
        errors: z.number(),
        ageMs: z.number(),
        erredAgeMs: z.number().optional(),
      }),
    )
    .optional(),
});
