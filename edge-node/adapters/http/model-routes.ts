import { notServed } from "../../../shared/inference/faults.ts";
import { type JsonObject, parseBody } from "../../../shared/inference/json.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import type { LocalNode, LocalPlacement } from "../../ports.ts";
import { jsonReply, type Reply } from "./answer.ts";
import { isServing, type ModelTarget, placementsOf, resolvePlacement } from "./resolve-placement.ts";

/** The metadata half of the Open Inference Protocol, for what this node holds. */

export const serverMetadata = (node: LocalNode): Reply =>
  jsonReply({ name: "skerry", version: node.version, extensions: ["binary_tensor_data"] });

export const serverLive = (): Reply => jsonReply({ live: true });

export function serverReady(node: LocalNode): Reply {
  const ready = node.isStarted() && !node.isDraining() && isServing(node.placements());
  return jsonReply({ ready }, ready ? {} : { status: 503, headers: { "Retry-After": 1 } });
}

export const modelNames = (node: LocalNode): Reply =>
  jsonReply({ models: [...new Set(node.placements().map(({ model }) => model))].toSorted() });

export function modelMetadata(node: LocalNode, target: ModelTarget): Reply {
  const all = node.placements();
  const { model, inputs, outputs } = resolvePlacement(target, all);
  const versions = [...new Set(placementsOf({ model, version: undefined }, all).map(({ version }) => version))];
  return jsonReply({ name: model, versions, platform: "onnx_onnxv1", inputs, outputs, properties: {} });
}

export function modelReady(node: LocalNode, target: ModelTarget): Reply {
  const ready = placementsOf(target, node.placements()).some(({ state }) => state === "ready");
  return jsonReply({ name: target.model, ready }, ready ? {} : { status: 503, headers: { "Retry-After": 1 } });
}

type IndexState = "READY" | "LOADING" | "UNLOADING" | "UNAVAILABLE";

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

/** An empty body asks for all; `{"ready": true}` for those that answer. */
export function repositoryIndex(node: LocalNode, body: Uint8Array): Reply {
  const wishes: JsonObject = body.byteLength === 0 ? {} : parseBody(body, "the body");
  const entries = node.placements().map(indexEntry);
  return jsonReply(wishes["ready"] === true ? entries.filter(({ state }) => state === "READY") : entries);
}

function indexEntry({ model, version, want, state, detail }: LocalPlacement): {
  name: string;
  version: string;
  state: IndexState;
  reason: string;
} {
  // Staged bytes that nobody wants to run are no load under way.
  const shown = want === "hold" && state === "staged" ? "UNAVAILABLE" : INDEX_STATE[state];
  return { name: model, version, state: shown, reason: state === "ready" ? "" : (detail ?? state) };
}

export function repositoryChange(): never {
  throw notServed(
    "a node does not load or unload on request: what it serves is the control plane's decision; ask there",
  );
}
