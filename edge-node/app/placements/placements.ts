import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import { LocalPlacement } from "../../core/placements/local-placement.ts";
import type { ModelHost } from "../../ports/model-hosts.ts";

const HELLO_DETAIL = 200;

/** The placements of this process. Each change of one is reported, whichever part of the agent made it. */
export class Placements {
  readonly #placements = new Map<string, LocalPlacement<ModelHost>>();
  readonly #report: (report: PlacementReport) => void;
  readonly #keepsStreams: (placementId: string) => boolean;
  readonly #listeners: (() => void)[] = [];

  /** `keepsStreams`: whether other nodes may ask for what a placement keeps of streams, also while its host is not up. */
  constructor(
    report: (report: PlacementReport) => void,
    { keepsStreams = () => false }: { readonly keepsStreams?: (placementId: string) => boolean } = {},
  ) {
    this.#report = report;
    this.#keepsStreams = keepsStreams;
  }

  all(): ReadonlyMap<string, LocalPlacement<ModelHost>> {
    return this.#placements;
  }

  ready(): ReadonlySet<string> {
    return new Set([...this.#placements].filter(([, { state }]) => state === "ready").map(([id]) => id));
  }

  /**
   * Whether requests may arrive now or soon. Their channel is opened while the first placement loads: if it were dialled
   * when that placement is ready, the control plane would call it ready some milliseconds before it can reach it.
   */
  get expectRequests(): boolean {
    return [...this.#placements.values()].some(
      ({ state, spec }) =>
        state === "loading" || state === "warming" || state === "ready" || this.#keepsStreams(spec.placementId),
    );
  }

  /** For `hello`, which must fit one message of 64 KiB with 64 placements: details are cut short. */
  reports(): PlacementReport[] {
    return [...this.#placements.values()].map((placement) => {
      const report = placement.report();
      return report.detail === undefined ? report : { ...report, detail: report.detail.slice(0, HELLO_DETAIL) };
    });
  }

  /** `listener` is called after every change of a placement. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A placement that the desired document names for the first time; `isHere`: its bytes are complete on the disk. */
  add(spec: DesiredPlacement, { isHere }: { readonly isHere: boolean }): void {
    const placement = new LocalPlacement<ModelHost>(spec, (changed) => this.#changed(changed));
    this.#placements.set(spec.placementId, placement);
    if (isHere) placement.becomeStaged();
    else placement.becomeOffered();
  }

  /** Those that wait for an artifact's bytes. */
  waitingFor(artifact: string): readonly LocalPlacement<ModelHost>[] {
    return [...this.#placements.values()].filter(
      ({ spec, state, hostState }) =>
        spec.artifact === artifact &&
        hostState === "none" &&
        (state === "offered" || state === "downloading" || state === "verifying"),
    );
  }

  #changed(placement: LocalPlacement<ModelHost>): void {
    this.#report(placement.report());
    if (placement.state === "gone") this.#placements.delete(placement.spec.placementId);
    for (const listener of this.#listeners) listener();
  }
}
