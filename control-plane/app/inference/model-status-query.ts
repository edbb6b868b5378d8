import { versionKey } from "../../../shared/base/version-key.ts";
import type { IndexEntry, ModelMetadata } from "../../../shared/api/v1/inference.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { modelMetadata, sortedIndex } from "../../../shared/inference/http/documents.ts";
import { isServing, isWanted, versionOf } from "../../core/fleet/queries.ts";
import type { NodeTimings } from "../../core/fleet/node-status.ts";
import type { Fleet, FleetDeployment, FleetPlacement, FleetVersion } from "../../core/fleet/types.ts";
import { targetVersion } from "../../core/fleet/versions/versions.ts";
import { buildRouteTable, resolve, type RouteTable } from "../../core/routing/table.ts";
import type { ListedModel } from "../../../shared/openai/http/model-list.ts";
import { kindOf } from "../../../shared/text/model-kind.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";

interface ModelStatusRequest {
  readonly model: string;
  /** A number or an alias; undefined: the model's deployment decides. */
  readonly version: string | undefined;
}

/** What is said about a model must not change from call to call while a deployment splits its requests. */
const STEADY = { next: () => 0 };

/** What the Open Inference Protocol asks about models without running them. */
export class ModelStatusQuery {
  readonly #fleet: FleetReader;
  readonly #timings: NodeTimings;

  constructor(parts: { fleet: FleetReader; timings: NodeTimings }) {
    this.#fleet = parts.fleet;
    this.#timings = parts.timings;
  }

  /** Models with a version that can be placed, sorted. */
  models(): string[] {
    return [...new Set(readyVersions(this.#fleet.snapshot()).map(({ model }) => model))].toSorted();
  }

  /** What a request of the OpenAI API may name: models of texts that have a deployment, and their aliases. By name. */
  openAiModels(): (ListedModel & { readonly model: string })[] {
    const fleet = this.#fleet.snapshot();
    const texts = readyVersions(fleet).filter((version) => kindOf(version) !== "tensors");
    const deployed = new Set(fleet.deployments.values().map(({ spec }) => spec.model));
    const ids = texts.flatMap(({ model, version, createdAt = 0 }) => {
      const created = Math.floor(createdAt / 1_000);
      const aliases = fleet.aliasesOf.get(versionKey(model, version)) ?? [];
      return [model, ...aliases.map((alias) => `${model}:${alias}`)].map((id) => ({ id, created, model }));
    });
    // Of a model with several versions the newest counts.
    const newest = new Map(ids.toSorted((a, b) => a.created - b.created).map((each) => [each.id, each]));
    return [...newest.values()].filter(({ model }) => deployed.has(model)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Throws `NOT_FOUND`. */
  metadata(request: ModelStatusRequest): ModelMetadata {
    const fleet = this.#fleet.snapshot();
    const version = this.#resolve(fleet, request).version;
    const versions = readyVersions(fleet).filter(({ model }) => model === request.model);
    return modelMetadata({
      name: request.model,
      version: version.version,
      artifact: version.artifact,
      versions: versions.map((each) => each.version),
      inputs: [...version.inputs],
      outputs: [...version.outputs],
      isExplained: version.engine === undefined,
      pipeline: version.pipeline,
    });
  }

  /** Numbers of the versions that can be placed, or the one that is named. Throws `NOT_FOUND`. */
  versions({ model, version }: ModelStatusRequest): string[] {
    const fleet = this.#fleet.snapshot();
    if (version !== undefined) return [String(this.#resolve(fleet, { model, version }).version.version)];
    const found = readyVersions(fleet).filter((each) => each.model === model);
    if (found.length === 0) throw new SkerryError("NOT_FOUND", `model ${model} has no version that could serve`);
    return found.map((each) => String(each.version)).toSorted((a, b) => Number(a) - Number(b));
  }

  /** Whether some placement accepts requests, or none is wanted until a request asks for one. Throws `NOT_FOUND`. */
  isModelReady(request: ModelStatusRequest): boolean {
    const fleet = this.#fleet.snapshot();
    const { ready, startsOnRequest } = this.#resolve(fleet, request);
    return startsOnRequest || ready.some((placement) => this.#isServing(fleet, placement));
  }

  /** True when every deployment that asks for a replica has one that accepts requests. */
  isEveryDeploymentReady(): boolean {
    const fleet = this.#fleet.snapshot();
    const serving = new Set(
      [...fleet.placements.values()]
        .filter((placement) => this.#isServing(fleet, placement))
        .map(({ deployment }) => deployment),
    );
    return [...fleet.deployments.values()]
      .filter(
        ({ spec: { placement, paused } }) => paused !== true && (placement.edge.min > 0 || placement.cloud.min > 0),
      )
      .every(({ name }) => serving.has(name));
  }

  /** Every version and its state, by name and number. */
  index(): IndexEntry[] {
    const fleet = this.#fleet.snapshot();
    const byVersion = Map.groupBy(fleet.placements.values(), ({ model, version }) => versionKey(model, version));
    return sortedIndex(
      fleet.versions.values().map((version) => ({
        name: version.model,
        version: String(version.version),
        ...this.#stateOf(fleet, version, byVersion.get(versionKey(version.model, version.version)) ?? []),
      })),
    );
  }

  #stateOf(
    fleet: Fleet,
    version: FleetVersion,
    placements: readonly FleetPlacement[],
  ): Pick<IndexEntry, "state" | "reason"> {
    if (version.state !== "ready") return { state: "UNAVAILABLE", reason: `the version is ${version.state}` };
    const wanted = placements.filter(isWanted);
    if (wanted.some((placement) => this.#isServing(fleet, placement))) return { state: "READY", reason: "" };
    const moving = wanted.filter(({ state }) => state !== "failed" && state !== "ready");
    if (moving.length > 0) return { state: "LOADING", reason: `${moving.length} on the way` };
    if (placements.some((placement) => !isWanted(placement) && placement.state !== "gone"))
      return { state: "UNLOADING", reason: "it drains" };
    const failure = wanted.find(({ state }) => state === "failed")?.failure;
    return { state: "UNAVAILABLE", reason: failure ? `${failure.code}: ${failure.detail}` : "no node holds it" };
  }

  #resolve(
    fleet: Fleet,
    request: ModelStatusRequest,
  ): { version: FleetVersion; ready: readonly FleetPlacement[]; startsOnRequest: boolean } {
    const table = buildRouteTable(fleet);
    const resolved = resolve(table, { ...request, site: undefined }, STEADY);
    if (resolved.kind === "unknown") throw new SkerryError("NOT_FOUND", resolved.detail);
    // Nothing is ready yet: the version that is on its way tells what requests will look like.
    const number = resolved.version > 0 ? resolved.version : targetOf(fleet, table, request.model);
    const version = number === undefined ? undefined : versionOf(fleet, request.model, number);
    if (!version)
      throw new SkerryError("NOT_FOUND", `model ${request.model} has no version that its deployment could serve`);
    return {
      version,
      ready: resolved.ready.map(({ placement }) => placement),
      startsOnRequest: resolved.mayWait && wantsNone(fleet.deployments.get(resolved.deployment ?? "")),
    };
  }

  #isServing(fleet: Fleet, placement: FleetPlacement): boolean {
    return isServing(fleet, placement, { now: this.#fleet.now(), timings: this.#timings });
  }
}

const readyVersions = (fleet: Fleet): FleetVersion[] =>
  [...fleet.versions.values()].filter(({ state }) => state === "ready");

const wantsNone = (deployment: FleetDeployment | undefined): boolean => {
  const { edge, cloud } = deployment?.status?.findings ?? {};
  return edge?.wanted === 0 && cloud?.wanted === 0;
};

/** The same deployment that `resolve` takes when nothing is ready. */
function targetOf(fleet: Fleet, table: RouteTable, model: string): number | undefined {
  const names = (table.byModel.get(model)?.deployments ?? []).map(({ name }) => name);
  const deployment = fleet.deployments.get(names.includes(model) ? model : (names[0] ?? ""));
  return deployment && targetVersion(fleet, deployment);
}
