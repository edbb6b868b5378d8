import { deployment, type Deployment, LIMITS_CHANGING } from "../../shared/api/v1/deployments/deployments.ts";
import { placement, type Placement } from "../../shared/api/v1/deployments/placements.ts";
import { type ApiClient, decode } from "../api/client.ts";
import { readList } from "../api/lists.ts";
import { EXIT } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { LiveLines } from "../output/live-lines.ts";
import type { Style } from "../output/paint.ts";
import { formatProgress } from "../output/units.ts";
import type { CommandContext } from "../run.ts";
import { waitUntil } from "./wait-until.ts";

/** True when the newest declaration has been looked at, everything it asks for is ready, and its limits hold. */
function isReady(of: Deployment, generation: number): boolean {
  const areLimitsHeld = conditionOf(of, "Progressing")?.reason !== LIMITS_CHANGING;
  return of.status.observedGeneration >= generation && conditionOf(of, "Ready")?.status === "True" && areLimitsHeld;
}

export function conditionOf(
  of: Deployment,
  type: "Ready" | "Progressing" | "Stalled",
): Deployment["status"]["conditions"][number] | undefined {
  return of.status.conditions.find((condition) => condition.type === type);
}

/** One replica in a line: `edge-a  downloading 43 %`. */
function replicaLine(of: Placement, paint: Style): string {
  const { state, progress, failure } = of;
  const words = failure === null ? stateWords(state, progress) : `failed: ${failure.detail} (${failure.code})`;
  const colour = state === "ready" ? paint.good : failure === null ? (text: string) => text : paint.bad;
  return `  ${of.node.padEnd(12)} ${`${of.model}:${of.version}`.padEnd(14)} ${colour(words)}`;
}

function stateWords(state: string, progress: Placement["progress"]): string {
  if (progress === null || progress.total === 0 || state !== "downloading") return state;
  return `downloading ${formatProgress(progress)}`;
}

/**
 * Waits until a deployment is ready, with a line for each replica. Not ready in time, or its version was rejected, which time
 * does not change: exit code 2, with what the deployment says about itself.
 */
export async function waitForDeployment(
  run: CommandContext,
  api: ApiClient,
  name: string,
  generation: number,
): Promise<Deployment> {
  const path = `/api/v1/deployments/${encodeURIComponent(name)}`;
  const lines = new LiveLines(run.output);
  let last: Deployment | undefined;
  let keep = false;
  try {
    await waitUntil(run, async () => {
      const found = decode(deployment, (await api.get(path)).body, "a deployment");
      const placements = await readList(api, `${path}/placements`, placement);
      last = found;
      lines.show(linesOf(name, found, placements.items, run.output.wordPaint));
      if (isRejected(found, generation)) throw rejected(found);
      return isReady(found, generation);
    });
    keep = true;
  } catch (error) {
    if (Error.isError(error) && error.name === "WaitTimeout" && last !== undefined)
      throw notReady(last, run.waitTimeoutMs);
    throw error;
  } finally {
    lines.end({ keep });
  }
  if (last === undefined) throw new Error("a wait ended without an answer");
  return last;
}

function linesOf(
  name: string,
  of: Deployment,
  placements: readonly Placement[],
  paint: Style,
): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  for (const one of placements) if (one.wanted !== "gone") lines.set(one.id, replicaLine(one, paint));
  of.status.unplaced.forEach((sentence, index) =>
    lines.set(`unplaced-${index}`, `  ${paint.warn("not placed")}   ${sentence}`),
  );
  if (lines.size === 0) lines.set(name, `  ${name}: waiting for the first decision`);
  return lines;
}

/** The version failed its check: nothing is placed however long one waits. */
const isRejected = (of: Deployment, generation: number): boolean =>
  of.status.observedGeneration >= generation &&
  conditionOf(of, "Stalled")?.status === "True" &&
  conditionOf(of, "Stalled")?.reason === "VersionRejected";

function rejected(of: Deployment): CliFailure {
  const version = `${of.spec.model}:${of.status.targetVersion ?? ""}`;
  return new CliFailure(EXIT.unmet, {
    what: `deployment "${of.name}" cannot become ready`,
    why: [`VersionRejected: ${conditionOf(of, "Stalled")?.message ?? ""}`],
    fix: `ask \`skerry models inspect ${version}\` why, and publish the model again`,
  });
}

/** What a wait that ended unmet says. */
function notReady(of: Deployment, waitedMs: number): CliFailure {
  const ready = conditionOf(of, "Ready");
  const stalled = conditionOf(of, "Stalled");
  const stall = stalled?.status === "True" ? [`${stalled.reason}: ${stalled.message}`] : [];
  const why = [
    ...(ready === undefined ? [] : [`${ready.reason}: ${ready.message}`]),
    // A stall for want of nodes quotes the same sentences in one line.
    ...(of.status.unplaced.length > 0 ? of.status.unplaced : stall),
  ];
  return new CliFailure(EXIT.unmet, {
    what: `deployment "${of.name}" is not ready after ${Math.round(waitedMs / 1000)} s`,
    why,
    fix: `ask \`skerry explain ${of.name}\` which filter refused each node, or allow more time with \`--timeout\``,
  });
}
