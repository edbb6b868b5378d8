import { type RunSize, withSmallest } from "../../../shared/inference/run-size.ts";
import { MODELS_MEMORY_SHARE } from "../../../shared/protocol/limits.ts";
import type { LocalPlacement } from "../../core/placements/local-placement.ts";
import { startRoomMiB } from "../../core/memory-limit.ts";
import type { SystemProbe } from "../../ports/machine.ts";
import type { HostSpec, ModelHost } from "../../ports/model-hosts.ts";
import type { Placements } from "../placements/placements.ts";

type Placement = LocalPlacement<ModelHost>;

/** Sizes that one placement's hosts refuse. */
const MAX_SIZES = 32;
/** All of them travel in one argument of a process, which may have 128 KiB. */
const MAX_SIZE_CHARACTERS = 1_024;

interface Parts {
  readonly probe: Pick<SystemProbe, "memFreeMiB" | "capabilities">;
  /** All placements of the node. */
  readonly placements: Pick<Placements, "all">;
}

/** How much memory each placement's host may use, and which runs were too large for that. */
export class HostLimits {
  readonly #parts: Parts;
  /** What a start under way may use, in MiB, where the limit is a guess. */
  readonly #startRooms = new Map<Placement, number>();
  /** What trials of an earlier start showed, in MiB. */
  readonly #measured = new WeakMap<Placement, number>();
  readonly #tooLarge = new WeakMap<Placement, { readonly limitMiB: number; readonly sizes: readonly RunSize[] }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `spec` with what the placement's next host may use. `ended` follows. */
  async forStart(placement: Placement, spec: HostSpec): Promise<HostSpec> {
    const { memMiB, memIsEstimate = false } = spec.limits;
    // Hosts of text models and of encoders take what is planned for them; engines take none of the node's.
    const { text, encoder, engine } = spec;
    const isGuess = memIsEstimate && text === undefined && encoder === undefined && engine === undefined;
    const limitMiB = isGuess ? this.#measured.get(placement) : memMiB;
    if (limitMiB !== undefined) return this.within(placement, spec, limitMiB);
    const usableMiB = Math.floor((await this.#parts.probe.capabilities()).memMiB * MODELS_MEMORY_SHARE);
    const others = [...this.#parts.placements.all().values()].filter((other) => other !== placement);
    const roomMiB = startRoomMiB({
      estimateMiB: memMiB,
      usableMiB,
      othersMiB: others.reduce((sum, other) => sum + this.#reservedMiB(other), 0),
      freeMiB: this.#parts.probe.memFreeMiB(),
    });
    this.#startRooms.set(placement, roomMiB);
    return { ...spec, startRoomMiB: roomMiB };
  }

  /** `spec` with this limit, and the sizes of runs that were too large for it. */
  within(placement: Placement, spec: HostSpec, memMiB: number): HostSpec {
    const known = this.#tooLarge.get(placement);
    const tooLarge = known?.limitMiB === memMiB ? known.sizes : [];
    return { ...spec, limits: { ...spec.limits, memMiB }, ...(tooLarge.length > 0 && { tooLarge }) };
  }

  /** The start has ended; `host` when it succeeded. */
  ended(placement: Placement, host: ModelHost | undefined): void {
    this.#startRooms.delete(placement);
    // In a shared host it is a share, which is no limit for a host of its own.
    if (host?.measuredMiB !== undefined && host.sharedHost === undefined)
      this.#measured.set(placement, host.measuredMiB);
  }

  /** Raises the limit of a running host to what its placement says now. A measured one is not raised to a guess. */
  async raise(placement: Placement, host: ModelHost): Promise<void> {
    const { memMiB, memIsEstimate } = placement.spec.limits;
    if (memIsEstimate !== true || !this.#measured.has(placement)) await host.raiseMemory(memMiB);
  }

  /** A run of this size ended the placement's host: the next one refuses it, as long as it has the same limit. */
  wasTooLarge(placement: Placement, limitMiB: number, size: RunSize): void {
    if (JSON.stringify(size).length > MAX_SIZE_CHARACTERS) return;
    const known = this.#tooLarge.get(placement);
    const sizes = known?.limitMiB === limitMiB ? known.sizes : [];
    this.#tooLarge.set(placement, { limitMiB, sizes: withSmallest(sizes, size, MAX_SIZES) });
  }

  #reservedMiB(placement: Placement): number {
    const { host, spec } = placement;
    return this.#startRooms.get(placement) ?? host?.memory().limitMiB ?? spec.limits.memMiB;
  }
}
