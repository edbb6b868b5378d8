import { versionKey } from "../../../shared/base/version-key.ts";
import type { IndexEntry, ModelMetadata } from "../../../shared/api/v1/inference.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { notServed } from "../../../shared/inference/faults.ts";
import * as documents from "../../../shared/inference/http/documents.ts";
import type { ModelTarget } from "../../../shared/inference/http/path.ts";
import { flagOf, objectOf } from "../../../shared/inference/json.ts";
import type { InferenceStatistics, VersionStatistics } from "../../../shared/inference/statistics.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import type { LocalNode, LocalPlacementView } from "../../ports/serving.ts";
import { jsonResponse, type LocalResponse } from "./response.ts";
import { hasReadyPlacements, placementsOf, preferred } from "./resolve-placement.ts";

/** The metadata half of the Open Inference Protocol, for what this node holds. */

export const serverMetadata = (node: LocalNode): LocalResponse =>
  jsonResponse({ body: documents.serverMetadata(node.version, { hasRepository: false }) });

export const serverLive = (): LocalResponse => jsonResponse({ body: { live: true } });

export const isServerReady = (node: LocalNode, readyWhen: "all" | "any"): boolean =>
  !node.isDraining() && hasReadyPlacements(node.placements(), readyWhen);

export const modelNames = (node: LocalNode): LocalResponse =>
  jsonResponse({ body: { models: [...new Set(node.placements().map(({ model }) => model))].toSorted() } });

/** What the manifest says, as the control plane answers it. Throws NOT_FOUND, or MODEL_NOT_READY before that is here. */
export async function modelMetadata(node: LocalNode, target: ModelTarget): Promise<ModelMetadata> {
  const all = node.placements();
  const chosen = preferred(target, placementsOf(target, all));
  const { model, version, artifact } = chosen;
  const signature = (await node.declaredSignature(artifact)) ?? chosen.signature;
  if (signature === undefined)
    throw new SkerryError("MODEL_NOT_READY", `${model}:${version} has not arrived yet: it is ${chosen.state}`);
  const versions = placementsOf({ model, version: undefined }, all).map((placement) => placement.version);
  const inputs = [...signature.inputs];
  const outputs = [...signature.outputs];
  const { pipeline } = signature;
  const isExplained = signature.engine === undefined;
  return documents.modelMetadata({ name: model, version, artifact, versions, inputs, outputs, isExplained, pipeline });
}

/** Of every version here that the target names. Throws NOT_FOUND. */
export function modelStatistics(
  node: LocalNode,
  target: ModelTarget,
  statistics: InferenceStatistics,
): readonly VersionStatistics[] {
  const versions = new Set(placementsOf(target, node.placements()).map(({ version }) => version));
  return [...versions].map((version) => statistics.of(target.model, version));
}

export const isModelReady = (node: LocalNode, target: ModelTarget): boolean =>
  placementsOf(target, node.placements()).some(({ state }) => state === "ready");

/** The best first: what stands for a version that is here twice, for two deployments. */
const INDEX_STATES = ["READY", "LOADING", "UNLOADING", "UNAVAILABLE"] as const;
type IndexState = (typeof INDEX_STATES)[number];

const INDEX_STATE: Readonly<Record<PlacementState, IndexState>> = {
  offered: "LOADING",
  downloading: "LOADING",
  verifying: "LOADING",
  staged: "LOADING",
  loading: "LOADING",
  warming: "LOADING",
  ready: "READY",
  draining: "UNLOADING",
  gone: "UNAVAILABLE",
  failed: "UNAVAILABLE",
};

/** `{}` asks for all; `{"ready": true}` for those that answer. Throws INVALID_REQUEST. */
export function repositoryIndex(node: LocalNode, body: unknown): readonly IndexEntry[] {
  const filter = objectOf(body, "the body");
  const readyOnly = filter["ready"] !== undefined && flagOf(filter["ready"], "`ready`");
  const byVersion = Map.groupBy(node.placements(), ({ model, version }) => versionKey(model, version));
  const entries = documents.sortedIndex(byVersion.values().map((placements) => bestOf(placements.map(indexEntry))));
  return readyOnly ? entries.filter(({ state }) => state === "READY") : entries;
}

const bestOf = (entries: readonly IndexEntry[]): IndexEntry =>
  entries.reduce((best, each) => (rankOf(each) < rankOf(best) ? each : best));
const rankOf = ({ state }: IndexEntry): number => INDEX_STATES.indexOf(state);

function indexEntry({ model, version, want, state, detail }: LocalPlacementView): IndexEntry {
  // Staged bytes that nobody wants to run are no load under way.
  const shown = want === "hold" && state === "staged" ? "UNAVAILABLE" : INDEX_STATE[state];
  return { name: model, version, state: shown, reason: state === "ready" ? "" : (detail ?? state) };
}

export function repositoryChange(): never {
  throw notServed(
    "a node does not load or unload on request: what it serves is the control plane's decision; ask there",
  );
}
