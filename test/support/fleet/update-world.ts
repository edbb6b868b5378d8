import type { Fleet, FleetDeployment, FleetNode, FleetPlacement } from "../../../control-plane/core/fleet/types.ts";
import { planFleet } from "../../../control-plane/core/reconcile/plan.ts";
import { diskHeldOn, heldOn } from "../../../control-plane/core/scheduling/planning/held.ts";
import type { PlacementId } from "../../../shared/base/ids.ts";
import { aDeployment, aFleet, aFleetSession, aNode, aPlacement, aVersion, NOW, TIMINGS } from "./fleet-builder.ts";

/** Memory of a node with room for one copy of a model, and for two. */
export const TIGHT_MIB = 500;
export const ROOMY_MIB = 2_000;

/** Disk of a node with room for the files of one version beside the floor, and for those of many. */
export const TIGHT_DISK_MIB = 15;
export const ROOMY_DISK_MIB = 10_000;
const VERSION_MIB = 10;

export type Presence = "there" | "suspect" | "lost" | "revoked";

/** What a node reports next of one of its placements. */
interface Move {
  readonly id: PlacementId;
  readonly state: FleetPlacement["state"];
}

const SILENCE_MS = { there: 0, suspect: 20_000, lost: 61_000, revoked: 0 } as const;
const LAST_VERSION = 9;

/** Nodes, one deployment, and a control plane whose plans are carried out. Nodes do one thing at a time, when they are asked to. */
export class UpdateWorld {
  readonly memoryMiB: readonly number[];
  /** Room for files on each node's disk. */
  readonly diskMiB: readonly number[];
  readonly presence: Presence[];
  #deployment: FleetDeployment;
  #placements: readonly FleetPlacement[] = [];
  #lastId = 0;

  constructor(
    memoryMiB: readonly number[],
    wanted: { readonly every: true } | { readonly min: number },
    diskMiB: readonly number[] = memoryMiB.map(() => ROOMY_DISK_MIB),
  ) {
    this.memoryMiB = memoryMiB;
    this.diskMiB = diskMiB;
    this.presence = memoryMiB.map(() => "there");
    this.#deployment = aDeployment({ name: "digits", model: "digits", version: 1, placement: { edge: wanted } });
  }

  get target(): number {
    return Number(this.#deployment.spec.version);
  }

  deploy(version: number): void {
    const { spec, generation } = this.#deployment;
    this.#deployment = { ...this.#deployment, spec: { ...spec, version }, generation: generation + 1 };
  }

  fleet(): Fleet {
    const versions = Array.from({ length: LAST_VERSION }, (_, index) =>
      aVersion("digits", index + 1, { bytes: VERSION_MIB * 1_048_576 }),
    );
    return aFleet({
      nodes: this.memoryMiB.map((memMiB, index) => this.#node(index, memMiB)),
      deployments: [this.#deployment],
      versions,
      placements: this.#placements,
    });
  }

  #node(index: number, memMiB: number): FleetNode {
    const node = aNode(`edge-${index}`);
    const presence = this.presence[index] ?? "there";
    const session = aFleetSession({ open: presence === "there", lastSeen: NOW - SILENCE_MS[presence] });
    const diskMiB = this.diskMiB[index] ?? ROOMY_DISK_MIB;
    const capabilities = node.capabilities && { ...node.capabilities, memMiB, diskMiB };
    const load = node.load && { ...node.load, diskFreeMiB: diskMiB - VERSION_MIB * this.stored(node.id) };
    return { ...node, zone: "a", capabilities, session, load, revoked: presence === "revoked" };
  }

  /** Plans once and carries it out. Returns the plan's steps. */
  plan() {
    const { steps } = planFleet(this.fleet(), { now: NOW, timings: TIMINGS, trigger: "test" });
    for (const step of steps) {
      if (step.kind === "placement.create") {
        const node = this.fleet().nodes.get(step.nodeId);
        if (!node) throw new Error(`no node ${step.nodeId}`);
        this.#lastId += 1;
        const placement = aPlacement(node, {
          id: `p-${this.#lastId}` as PlacementId,
          version: step.version,
          state: "offered",
          decidedAt: NOW,
          stateSince: NOW,
        });
        this.#placements = [...this.#placements, placement];
      } else if (step.kind === "placement.remove") {
        this.#change(step.placement.id, { wanted: "gone" });
      } else if (step.kind === "placement.delete") {
        this.#placements = this.#placements.filter(({ id }) => id !== step.placement.id);
      }
    }
    return steps;
  }

  /** What its nodes could do next: each is one placement that becomes something else. */
  moves(): readonly Move[] {
    const fleet = this.fleet();
    return this.#placements.flatMap(({ id, nodeId, state, wanted }): readonly Move[] => {
      const node = fleet.nodes.get(nodeId);
      if (!node || this.presenceOf(nodeId) !== "there") return [];
      if (wanted === "gone") return state === "gone" ? [] : [{ id, state: "gone" }];
      if (state === "offered") return diskHeldOn(fleet, node).has(id) ? [] : [{ id, state: "staged" }];
      return state === "staged" && !heldOn(fleet, node).has(id) ? [{ id, state: "ready" }] : [];
    });
  }

  move({ id, state }: Move): void {
    this.#change(id, { state });
  }

  presenceOf(nodeId: string): Presence {
    return this.presence[Number(nodeId.replace(/\D/g, ""))] ?? "there";
  }

  wantedPlacements(): readonly FleetPlacement[] {
    return this.#placements.filter(({ wanted }) => wanted === "serve");
  }

  /** Nodes that are there and have a ready replica, of any version or of `version`. */
  served(version?: number): ReadonlySet<string> {
    const answering = this.wantedPlacements().filter(
      (each) =>
        each.state === "ready" &&
        this.presenceOf(each.nodeId) === "there" &&
        (version === undefined || each.version === version),
    );
    return new Set(answering.map(({ nodeId }) => nodeId));
  }

  /** How many versions are on the disk of a node. */
  stored(nodeId: string): number {
    return this.#placements.filter((each) => each.nodeId === nodeId && !["offered", "gone"].includes(each.state))
      .length;
  }

  /** How many models are in the memory of a node. */
  loaded(nodeId: string): number {
    return this.#placements.filter((each) => each.nodeId === nodeId && each.state === "ready").length;
  }

  /** Plans and lets the nodes act until nothing changes. Throws when that does not end. */
  standStill(check: () => void = () => undefined): void {
    for (let turn = 0; turn < 500; turn += 1) {
      const steps = this.plan();
      check();
      const [next] = this.moves();
      if (next) this.move(next);
      else if (steps.length === 0) return;
    }
    throw new Error("the update does not come to an end");
  }

  #change(id: PlacementId, change: Partial<FleetPlacement>): void {
    this.#placements = this.#placements.map((each) => (each.id === id ? { ...each, ...change } : each));
  }
}
