import { SkerryError } from "../../../shared/base/errors.ts";
import { notServed } from "../../../shared/inference/faults.ts";
import { flagOf, type JsonObject, parseBody } from "../../../shared/inference/json.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import type { LocalNode, LocalPlacement } from "../../ports/serving.ts";
import { jsonReply, type Reply } from "./answer.ts";
import { isServing, type ModelTarget, placementsOf, preferred } from "./resolve-placement.ts";

/** The metadata half of the Open Inference Protocol, for what this node holds. */

export const serverMetadata = (node: LocalNode): Reply =>
  jsonReply({ name: "skerry", version: node.version, extensions: ["binary_tensor_data"] });

export const serverLive = (): Reply => jsonReply({ live: true });

/** These answers are no errors to the protocol, and have the catalogue's code all the same: scripts look for it. */
const NOT_READY = { status: 503, headers: { "Retry-After": 1, "Skerry-Error": "MODEL_NOT_READY" } };

export function serverReady(node: LocalNode, readyWhen: "all" | "any"): Reply {
  const ready = !node.isDraining() && isServing(node.placements(), readyWhen);
  return jsonReply({ ready }, ready ? {} : NOT_READY);
}

export const modelNames = (node: LocalNode): Reply =>
  jsonReply({ models: [...new Set(node.placements().map(({ model }) => model))].toSorted() });

/** Of a model that is not loaded yet, what its manifest says. Throws NOT_FOUND, or MODEL_NOT_READY before that is here. */
export async function modelMetadata(node: LocalNode, target: ModelTarget): Promise<Reply> {
  const all = node.placements();
  const chosen = preferred(target, placementsOf(target, all));
  const { model, version, artifact } = chosen;
  const signature = chosen.signature ?? (await node.declaredSignature(artifact));
  if (signature === undefined)
    throw new SkerryError("MODEL_NOT_READY", `${model}:${version} has not arrived yet: it is ${chosen.state}`);
  const versions = placementsOf({ model, version: undefined }, all).map((placement) => placement.version);
  return jsonReply({
    name: model,
    versions: [...new Set(versions)].toSorted(byNumber),
    platform: "onnx_onnxv1",
    inputs: signature.inputs,
    outputs: signature.outputs,
    properties: { "skerry.version": version, "skerry.artifact": artifact },
  });
}

export function modelReady(node: LocalNode, target: ModelTarget): Reply {
  const ready = placementsOf(target, node.placements()).some(({ state }) => state === "ready");
  return jsonReply({ name: target.model, ready }, ready ? {} : NOT_READY);
}

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

interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: IndexState;
  readonly reason: string;
}

/** By name and version. An empty body asks for all; `{"ready": true}` for those that answer. Throws INVALID_REQUEST. */
export function repositoryIndex(node: LocalNode, body: Uint8Array): Reply {
  const wishes: JsonObject = body.byteLength === 0 ? {} : parseBody(body, "the body");
  const readyOnly = wishes["ready"] !== undefined && flagOf(wishes["ready"], "`ready`");
  const byVersion = Map.groupBy(node.placements(), ({ model, version }) => `${model}:${version}`);
  const entries = [...byVersion.values()].map((placements) => bestOf(placements.map(indexEntry)));
  const sorted = entries.toSorted((a, b) =>
    a.name === b.name ? byNumber(a.version, b.version) : a.name < b.name ? -1 : 1,
  );
  return jsonReply(readyOnly ? sorted.filter(({ state }) => state === "READY") : sorted);
}

const byNumber = (a: string, b: string): number => Number(a) - Number(b);

const bestOf = (entries: readonly IndexEntry[]): IndexEntry =>
  entries.reduce((best, each) => (rankOf(each) < rankOf(best) ? each : best));
const rankOf = ({ state }: IndexEntry): number => INDEX_STATES.indexOf(state);

function indexEntry({ model, version, want, state, detail }: LocalPlacement): IndexEntry {
  // Staged bytes that nobody wants to run are no load under way.
  const shown = want === "hold" && state === "staged" ? "UNAVAILABLE" : INDEX_STATE[state];
  return { name: model, version, state: shown, reason: state === "ready" ? "" : (detail ?? state) };
}

export function repositoryChange(): never {
  throw notServed(
    "a node does not load or unload on request: what it serves is the control plane's decision; ask there",
  );
}
