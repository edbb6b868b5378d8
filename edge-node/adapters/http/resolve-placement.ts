import { SkerryError } from "../../../shared/base/errors.ts";
import type { ModelTarget } from "../../../shared/inference/http/path.ts";
import type { LocalPlacementView } from "../../ports/serving.ts";

/** Every placement of the model here, or of that version of it. Throws NOT_FOUND, naming what is here. */
export function placementsOf(
  { model, version }: ModelTarget,
  all: readonly LocalPlacementView[],
): readonly LocalPlacementView[] {
  const ofModel = all.filter((placement) => placement.model === model);
  if (ofModel.length === 0) {
    const held = [...new Set(all.map((placement) => placement.model))].toSorted().join(", ");
    throw new SkerryError(
      "NOT_FOUND",
      `this node holds no model ${model.slice(0, 63)}; it holds ${held === "" ? "none" : held}`,
    );
  }
  if (version === undefined) return ofModel;
  // An alias begins with a letter, so it is nobody's number.
  const found = ofModel.filter((placement) => placement.version === version || placement.aliases.includes(version));
  if (found.length > 0) return found;
  const versions = ofModel.map(versionWithAliases).join(", ");
  throw new SkerryError("NOT_FOUND", `this node holds ${model} in version ${versions}, not ${version.slice(0, 63)}`);
}

/** E.g. `3 (champion, stable)`. */
export const versionWithAliases = ({ version, aliases }: Pick<LocalPlacementView, "version" | "aliases">): string =>
  aliases.length === 0 ? version : `${version} (${aliases.join(", ")})`;

/**
 * With several and no version in the URL: a ready one, of those one that is not on standby, of those the one whose deployment
 * has the model's name, else the oldest.
 */
export function preferred({ model }: ModelTarget, found: readonly LocalPlacementView[]): LocalPlacementView {
  const ready = found.filter(({ state }) => state === "ready");
  const able = ready.length > 0 ? ready : found;
  const active = able.filter(({ isStandby }) => !isStandby);
  const pool = active.length > 0 ? active : able;
  const chosen = pool.find(({ deployment }) => deployment === model) ?? pool[0];
  if (chosen === undefined) throw new Error(`nobody holds ${model}, which placementsOf should have said`);
  return chosen;
}

/** The placement that answers. Throws NOT_FOUND, or MODEL_NOT_READY with what each is doing. */
export function resolvePlacement(target: ModelTarget, all: readonly LocalPlacementView[]): LocalPlacementView {
  const found = placementsOf(target, all);
  const chosen = preferred(target, found);
  if (chosen.state === "ready") return chosen;
  const states = found.map(
    ({ version, state, detail }) => `version ${version} is ${state}${detail === undefined ? "" : ` (${detail})`}`,
  );
  throw new SkerryError(
    "MODEL_NOT_READY",
    `${target.model} is here but not ready: ${states.join(", ")}; retry after Retry-After`,
  );
}

/** Whether the desired versions are ready: all of them, or at least one. True for a node without any. */
export function hasReadyPlacements(all: readonly LocalPlacementView[], readyWhen: "all" | "any"): boolean {
  const wanted = all.filter(({ want }) => want === "serve");
  const isReady = ({ state }: LocalPlacementView): boolean => state === "ready";
  return wanted.length === 0 || (readyWhen === "all" ? wanted.every(isReady) : wanted.some(isReady));
}
