import { z } from "zod";
import { tensorSpec } from "../../../shared/protocol/model-files/manifest.ts";

const runSize = z.object({
  shapes: z.record(z.string().max(256), z.array(z.number()).max(8)),
  outputs: z.array(z.string().max(256)).max(1_024),
});

/** `HostEvent` as it is read. A model can break its host, so what the host says is checked like any other input. */
export const hostEvent = z.discriminatedUnion("event", [
  z.object({
    event: z.literal("loaded"),
    inputs: z.array(tensorSpec).max(1_024),
    outputs: z.array(tensorSpec).max(1_024),
    loadMs: z.number(),
    baseMiB: z.number().min(0).optional(),
    loadCpuMs: z.number().min(0).optional(),
    keepsState: z.literal(true).optional(),
  }),
  z.object({
    event: z.literal("ready"),
    warmUs: z.number(),
    runCpuUs: z.number().min(0).optional(),
    noBatchReason: z.string().max(500).optional(),
    growth: z.object({ neededMiB: z.number().min(0), addedMiB: z.number() }).optional(),
    warnings: z
      .array(
        z.object({
          reason: z.enum(["WarmRunFailed", "NotDeterministic", "SamplesDiffer"]),
          message: z.string().max(500),
        }),
      )
      .max(8),
    slots: z.number().int().min(1).max(1_024).optional(),
  }),
  z.object({ event: z.literal("larger-run"), size: runSize.optional() }),
  z.object({ event: z.literal("progress") }),
  z.object({ event: z.literal("unloaded") }),
  z.object({ event: z.literal("slow-batch"), cpuMs: z.number().min(0) }),
  z.object({ event: z.literal("sharing-stopped"), reason: z.string().max(500) }),
  z.object({
    event: z.literal("failed"),
    phase: z.enum(["loading", "warming"]),
    outOfMemory: z.boolean(),
    detail: z.string().max(1_000),
  }),
]);
export type CheckedHostEvent = z.infer<typeof hostEvent>;
