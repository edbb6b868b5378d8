import { isEmptyChange, type ChangeSet } from "./changes/change-set.ts";
import type { Fleet, FleetDeployment, FleetNode, FleetPlacement, FleetVersion } from "./types.ts";
import { ValueMap } from "./value-map.ts";

/** The fleet while it is written. It has one owner, who hands out `snapshot()`; entries are replaced, never changed. */
export class FleetState {
  readonly nodes = new ValueMap<FleetNode>();
  readonly deployments = new ValueMap<FleetDeployment>();
  readonly versions = new ValueMap<FleetVersion>();
  readonly aliases = new ValueMap<number>();
  readonly aliasesOf = new ValueMap<readonly string[]>();
  readonly #placements = new ValueMap<FleetPlacement>();
  readonly #placementsOn = new ValueMap<readonly FleetPlacement[]>();
  #revision = 0;

  get placements(): Pick<ValueMap<FleetPlacement>, "get" | "keys"> {
    return this.#placements;
  }

  setPlacement(placement: FleetPlacement): void {
    const before = this.#placements.get(placement.id);
    if (before && before.nodeId !== placement.nodeId) this.deletePlacement(before.id);
    this.#placements.set(placement.id, placement);
    const there = this.#placementsOn.get(placement.nodeId) ?? [];
    const at = there.findIndex(({ id }) => id === placement.id);
    this.#placementsOn.set(placement.nodeId, at < 0 ? [...there, placement] : there.with(at, placement));
  }

  deletePlacement(id: string): void {
    const placement = this.#placements.get(id);
    if (!placement) return;
    this.#placements.delete(id);
    const left = (this.#placementsOn.get(placement.nodeId) ?? []).filter((other) => other.id !== id);
    if (left.length > 0) this.#placementsOn.set(placement.nodeId, left);
    else this.#placementsOn.delete(placement.nodeId);
  }

  noteChange(change: ChangeSet): void {
    if (!isEmptyChange(change)) this.#revision += 1;
  }

  /** The fleet as it is now, as a value that later events leave alone. */
  snapshot(): Fleet {
    return {
      revision: this.#revision,
      nodes: this.nodes.value(),
      deployments: this.deployments.value(),
      versions: this.versions.value(),
      aliases: this.aliases.value(),
      aliasesOf: this.aliasesOf.value(),
      placements: this.#placements.value(),
      placementsOn: this.#placementsOn.value(),
    };
  }
}
