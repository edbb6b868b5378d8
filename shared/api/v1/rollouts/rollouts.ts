import { z } from "zod";
import { instant, objectName, reasonText, versionNumber } from "../common.ts";
import { gateFinding } from "./gate.ts";
import { freezeWindow } from "./freeze-window.ts";
import { approvalStage, gateSpec, rolloutStrategy, wave } from "./rollout-spec.ts";

export const rolloutPhase = z.enum([
  "pending",
  "staging",
  "switching",
  "baking",
  "paused",
  "rolling-back",
  "promoted",
  "rolled-back",
  "superseded",
]);
export type RolloutPhase = z.infer<typeof rolloutPhase>;

/** Phases of a rollout that is on its way between two versions. */
export const RUNNING_PHASES: readonly RolloutPhase[] = ["pending", "staging", "switching", "baking", "paused"];
/** Phases that a rollout never leaves. */
export const ENDED_PHASES: readonly RolloutPhase[] = ["promoted", "rolled-back", "superseded"];

const rolloutNode = z.object({
  nodeId: z.string(),
  node: z.string(),
  wave: z.number().int().describe("The wave that the node belongs to, from 1."),
  state: z
    .enum(["waiting", "staging", "staged", "switched", "failed"])
    .describe(
      "`waiting`: it is away and has not switched. `staging`: bytes are on their way. `staged`: the bytes are there. `switched`: the new version is ready. `failed`: see `why`.",
    ),
  since: instant.describe("When it entered its state."),
  why: z.string().nullable(),
});
export type RolloutNode = z.infer<typeof rolloutNode>;

const rolloutNote = z.object({
  at: instant,
  /** The name of a key, or `skerry`. */
  who: z.string(),
  what: z.string(),
});

const rolloutApproval = z.object({
  stage: approvalStage,
  who: z.string().describe("The name of the key that approved."),
  at: instant,
  why: z.string().nullable(),
});

const rolloutWait = z.object({
  what: z.enum(["approval", "freeze-end", "nodes"]),
  stage: approvalStage.nullable().describe("Which approval it waits for."),
  since: instant,
  sentence: z.string(),
});

const passedWave = z.object({
  wave: z.number().int(),
  at: instant,
  findings: z.array(gateFinding).describe("What the gate found when the wave passed; empty where it measured nothing."),
});

/** A rollout as it is recorded: what it does, where it is and why. */
export const rolloutRecord = z.object({
  model: objectName,
  from: versionNumber.describe("The version that it leaves, and returns to."),
  to: versionNumber,
  declared: versionNumber.describe("What `version` of the deployment named when this was decided."),
  strategy: rolloutStrategy,
  waves: z.array(wave),
  bakeSeconds: z.number().int(),
  gate: gateSpec,
  // Records of an earlier release have none of these four, nor `passed`.
  freeze: z.array(freezeWindow).default([]).describe("Times in which no wave begins."),
  approval: z.array(approvalStage).default([]).describe("The stages that wait for an approval."),
  approvals: z.array(rolloutApproval).default([]).describe("The approvals that were given."),
  waitsFor: rolloutWait
    .nullable()
    .default(null)
    .describe(
      "What holds the rollout up in its phase though its gate does not: an approval, a frozen window, or nodes that are silent.",
    ),
  phase: rolloutPhase,
  resumes: rolloutPhase.nullable().describe("The phase to which `resume` leads; null unless it is paused."),
  wave: z.number().int().describe("The present wave, from 1."),
  share: z.number().describe("Percent of the requests that the new version answers."),
  nodes: z.array(rolloutNode),
  current: z
    .boolean()
    .describe(
      "Whether it says at which version the deployment is. Not once the deployment went on without rollouts, or with another model.",
    ),
  reason: z.string().describe("Why it is in this phase, in a sentence."),
  by: z.string().describe("Who started it: the name of a key, or `skerry` for a changed version."),
  findings: z.array(gateFinding).describe("What the gate found, at `foundAt`."),
  foundAt: instant
    .nullable()
    .default(null)
    .describe("When the findings were written: some seconds ago at most while the new version answers requests."),
  passed: z
    .array(passedWave)
    .default([])
    .describe("The waves that baked and passed, in their order, with the evidence of each."),
  notes: z.array(rolloutNote).describe("What happened to it, oldest first."),
});
export type RolloutRecord = z.infer<typeof rolloutRecord>;

export const rollout = z
  .object({
    deployment: objectName,
    number: z.number().int().describe("Counts the rollouts of the deployment, from 1."),
    ...rolloutRecord.shape,
    beganAt: instant,
    phaseAt: instant.describe("When it entered its phase."),
    endedAt: instant.nullable(),
  })
  .meta({ id: "Rollout" });
export type Rollout = z.infer<typeof rollout>;

export const rolloutAction = z.enum(["pause", "resume", "approve", "promote", "abort", "undo"]);
export type RolloutAction = z.infer<typeof rolloutAction>;

/** What operators may say of an action. */
export const rolloutActionBody = z.strictObject({
  why: reasonText.optional().describe("Why it is done, for the history, the event and the audit log."),
});
