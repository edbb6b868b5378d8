import { z } from "zod";
import { placementFailure, placementState, runSharing } from "../../../protocol/placement.ts";
import { versionNumber } from "../common.ts";

/** A placement as the API answers it: what is declared for it, and what its node last reported. */
export const placement = z
  .object({
    id: z.string(),
    deployment: z.string(),
    model: z.string(),
    version: versionNumber,
    node: z.string(),
    nodeState: z.string(),
    kind: z.enum(["edge", "cloud"]),
    generation: z.number().int(),
    wanted: z.enum(["serve", "gone"]),
    state: placementState,
    /** Code and sentence, when failed. */
    failure: z.object({ code: placementFailure, detail: z.string() }).nullable(),
    /** Bytes there and bytes in all, while downloading. */
    progress: z.object({ done: z.number(), total: z.number() }).nullable(),
    stateAgeMs: z.number(),
    sharing: runSharing
      .nullable()
      .default(null)
      .describe(
        "Whether its requests share runs of the model, and why or why not; null before it is ready. `docs/batching.md` has the reasons.",
      ),
    limitMiB: z
      .number()
      .nullable()
      .default(null)
      .describe(
        "Memory that its model host may use now, in MiB, 0: any amount; null before it is ready. Without `limits.memMiB` it comes from a measurement on its node.",
      ),
    host: z
      .string()
      .nullable()
      .default(null)
      .describe(
        "The shared model host of its node that it runs in, by name; null: it has a host of its own, or is not ready.",
      ),
    variant: z
      .string()
      .nullable()
      .default(null)
      .describe("The graph of the version that the node has; null: the version has one."),
    /** One sentence: why here. */
    why: z.string(),
  })
  .meta({ id: "Placement" });
export type Placement = z.infer<typeof placement>;

/** What of a placement makes a change for those who watch it: all but its age. */
export const lastingPlacement = (of: Placement): Placement => ({ ...of, stateAgeMs: 0 });
