import type { Random } from "../../../shared/base/random.ts";
import type { DesiredPlacement } from "../../../shared/protocol/messages/desired-placement.ts";
import type { PlacementReport } from "../../../shared/protocol/messages/placement-report.ts";
import type { PlacementState } from "../../../shared/protocol/placement.ts";
import {
  BETWEEN_HOSTS,
  BEFORE_SERVING,
  type CrashVerdict,
  type Failure,
  type HostState,
  type Measured,
  type StateFacts,
} from "./placement-states.ts";
import { RestartSchedule } from "./restart-policy.ts";

const MAX_DETAIL = 1_000;

/**
 * One placement on this node: what it should be (`spec`), what it is (`state`), its model host (`hostState`, `host`), and
 * when the next attempt may begin. Only the methods below change it; each asserts the states that it may be called in,
 * since a wrong order is a fault of this program. `onChange` is called after every change that the control plane or the
 * connection depends on, when the placement is consistent again.
 *
 * state        entered                                              left
 * offered      its bytes are not complete on this disk              a transfer: downloading; the bytes are found: staged
 * downloading  chunks arrive                                        a cut: offered; the last chunk: verifying
 * verifying    whole files are hashed: after a transfer, or         damage: offered; sound: staged or loading
 *              before a start when they were not hashed on arrival
 * staged       the bytes are here and nothing runs: before the      a start: verifying or loading
 *              first start, after a stop, between crash and restart
 * loading      the model host starts                                loaded: warming or ready
 * warming      the model is loaded; the warm run decides            ready
 * ready        it serves                                            a crash: staged; a stop: draining
 * draining     it takes no new requests; running ones end           still wanted: staged or offered; else gone
 * failed       an attempt ended with a code, before draining        a new generation or a late retry: staged or offered
 * gone         no longer wanted, and nothing runs                   never
 *
 * hostState    none ─hostStarting→ starting ─hostReady→ running ─hostStopping→ stopping ─hostStopped→ none. A start may
 * also be stopped, fail, crash or find damaged bytes; a running host may exit by itself or be replaced by another. There
 * is one host at a time; while the recycler replaces it, the old one is the recycler's.
 *
 * A host that a single request ended is replaced: the states are passed through as after a crash, and it stays `ready` for others.
 * `verifying` to `warming` with a host state, `ready` and the end of `draining` are events of the host. A crash consults
 * the restart policy: back to `staged` with a back-off, or `failed` after too many within its window.
 */
export class LocalPlacement<Host = unknown> {
  readonly #onChange: (placement: LocalPlacement<Host>) => void;
  #spec: DesiredPlacement;
  #state: PlacementState = "offered";
  #hostState: HostState = "none";
  #host: Host | undefined;
  readonly #restarts = new RestartSchedule();
  /** The files were hashed when they arrived, so the next start need not hash them again. */
  #isVerified = false;
  #facts: StateFacts = {};
  /** A request ended its host, and the next one starts: it counts as ready, and its requests wait. */
  #isBetweenHosts = false;

  constructor(spec: DesiredPlacement, onChange: (placement: LocalPlacement<Host>) => void) {
    this.#spec = spec;
    this.#onChange = onChange;
  }

  get spec(): DesiredPlacement {
    return this.#spec;
  }

  get state(): PlacementState {
    return this.#state;
  }

  get hostState(): HostState {
    return this.#hostState;
  }

  /** The state as others see it: between two hosts of a replacement it stays ready. */
  get announcedState(): PlacementState {
    return this.#isBetweenHosts ? "ready" : this.#state;
  }

  /** The host that serves, or that is about to stop; undefined in `none`, `starting`, and while a start is stopped. */
  get host(): Host | undefined {
    return this.#host;
  }

  /** A start (`staged`) or a new attempt (`failed`) waits for this time, in ms; Infinity: for a new generation. */
  get notBefore(): number {
    return this.#restarts.notBefore;
  }

  /** What the control plane receives. */
  report(): PlacementReport {
    const { placementId, generation } = this.#spec;
    const { failure, progress, measured, keptStreams } = this.#facts;
    const streams = keptStreams === undefined ? {} : { keptStreams };
    return { placementId, generation, state: this.announcedState, ...failure, ...progress, ...measured, ...streams };
  }

  /**
   * The desired document names it with `spec`. False, without effect, when `spec` has an older generation. A new
   * generation is a new attempt. Another artifact needs its host stopped before; `isHere`: its bytes are complete.
   */
  adopt(spec: DesiredPlacement, { isHere }: { readonly isHere: boolean }): boolean {
    if (spec.generation < this.#spec.generation) return false;
    if (this.#state === "gone") this.#refuse("be adopted", "is gone");
    const isOtherArtifact = spec.artifact !== this.#spec.artifact;
    if (isOtherArtifact) this.#expectHost("take another artifact", ["none"]);
    if (isOtherArtifact || spec.generation !== this.#spec.generation) {
      this.#restarts.reset();
      this.#isVerified = false;
      this.#isBetweenHosts = false;
    }
    this.#spec = spec;
    if (!isOtherArtifact) this.#onChange(this);
    else if (isHere) this.becomeStaged();
    else this.becomeOffered();
    return true;
  }

  becomeOffered(): void {
    this.#expectHost("become offered", ["none"]);
    this.#enter("offered", ["offered", "downloading", "verifying", "staged", "draining", "failed"]);
  }

  /** Also reports progress: bytes here, and bytes in all. */
  becomeDownloading(done: number, total: number): void {
    this.#expectHost("download", ["none"]);
    this.#enter("downloading", ["offered", "downloading"], { progress: { done, total } });
  }

  /** The files of a transfer are hashed, or those on the disk before a start. */
  becomeVerifying(): void {
    this.#expectHost("be verified", ["none", "starting"]);
    this.#enter("verifying", ["offered", "downloading", "staged"]);
  }

  /** The files were hashed on arrival and are sound. */
  bytesVerified(): void {
    this.#isVerified = true;
  }

  becomeStaged(): void {
    this.#expectHost("become staged", ["none"]);
    this.#enter("staged", ["offered", "downloading", "verifying", "staged", "draining", "failed"]);
  }

  /** It takes no new requests from now on, while its host still answers those that it has. */
  becomeDraining({ keptStreams = 0 }: { readonly keptStreams?: number } = {}): void {
    this.#enter("draining", ["ready"], { ...(keptStreams > 0 && { keptStreams }) });
  }

  becomeGone(): void {
    this.#expectHost("become gone", ["none"]);
    this.#enter("gone", ["offered", "downloading", "verifying", "staged", "draining", "failed"]);
  }

  /** An attempt ended at `now` without a host. A cause that may pass is tried again later; the rest waits for a new generation. */
  becomeFailed(failure: Failure, now: number): void {
    this.#expectHost("fail", ["none"]);
    this.#fail(failure, now);
  }

  /** What it failed for is over: the next attempt may begin now. Without effect in any other state, and after other failures. */
  retryAfter(code: Failure["code"]): void {
    if (this.#state === "failed" && this.#facts.failure?.code === code) this.#restarts.startAtOnce();
  }

  /** A start begins. `mustVerify`: the files were not hashed on arrival, and a byte may have gone bad since. */
  hostStarting(): { readonly mustVerify: boolean } {
    this.#expectHost("start a host", ["none"]);
    this.#expect("start a host", ["staged"]);
    const mustVerify = !this.#isVerified;
    this.#isVerified = false;
    this.#hostState = "starting";
    return { mustVerify };
  }

  /** The start found damaged bytes: the bad chunks have to be fetched again. */
  bytesDamaged(): void {
    this.#expectHost("be damaged", ["starting", "stopping"]);
    this.#expect("be damaged", ["verifying"]);
    this.#hostState = "none";
    this.#enter("offered", ["verifying"]);
  }

  hostLoading(): void {
    this.#expectHost("load", ["starting"]);
    this.#enter("loading", ["staged", "verifying"]);
  }

  /** False, without effect, when the start is being stopped, or warms up already. */
  hostWarming(): boolean {
    if (this.#hostState !== "starting" || this.#state !== "loading") return false;
    this.#enter("warming", ["loading"]);
    return true;
  }

  hostReady(host: Host, measured: Measured): void {
    this.#expectHost("become ready", ["starting"]);
    this.#expect("become ready", ["loading", "warming"]);
    this.#hostState = "running";
    this.#host = host;
    this.#enter("ready", ["loading", "warming"], { measured });
  }

  /** `next` serves from now on; the old host belongs to the caller. */
  hostReplaced(next: Host): void {
    this.#expectHost("replace its host", ["running"]);
    this.#host = next;
  }

  /** Something else is known of `host` than before. Without effect when it does not serve any more. */
  hostMeasured(host: Host, measured: Measured): void {
    if (this.#host !== host || this.#state !== "ready") return;
    this.#facts = { ...this.#facts, measured };
    this.#onChange(this);
  }

  /** Its start or its host is being stopped on purpose. A serving placement drains. */
  hostStopping(facts: { readonly keptStreams?: number } = {}): void {
    this.#expectHost("stop", ["starting", "running"]);
    this.#isBetweenHosts = false;
    this.#hostState = "stopping";
    if (this.#state === "ready") this.becomeDraining(facts);
  }

  /** What `hostStopping` began has ended: no process is left. After a stopped start the placement is staged. */
  hostStopped(): void {
    this.#expectHost("be stopped", ["stopping"]);
    this.#hostState = "none";
    this.#host = undefined;
    if (this.#state !== "draining") this.#enter("staged", BETWEEN_HOSTS);
  }

  /** The start failed for another reason than a crash. */
  hostStartFailed(failure: Failure, now: number): void {
    this.#expectHost("fail to start", ["starting"]);
    this.#hostState = "none";
    this.#fail(failure, now);
  }

  /** The process crashed during its start. */
  hostStartCrashed(failure: Failure, now: number, random: Random): CrashVerdict {
    this.#expectHost("crash at its start", ["starting"]);
    this.#hostState = "none";
    return this.#crashed(failure, now, random);
  }

  /**
   * `host` exited and nobody stopped it. Null, without effect, when it is no longer the running host. A placement that
   * drains has lost nothing but the requests inside: it is staged, and that counts as no crash.
   */
  hostExited(host: Host, failure: Failure, now: number, random: Random): CrashVerdict | "drained" | null {
    if (this.#hostState !== "running" || this.#host !== host) return null;
    this.#hostState = "none";
    this.#host = undefined;
    if (this.#state !== "draining") return this.#crashed(failure, now, random);
    this.#enter("staged", ["draining"]);
    return "drained";
  }

  /**
   * One request ended `host`, which is neither the model's fault nor the other callers': it counts as no crash, and the
   * next host starts at once from the bytes that this one had. False, without effect, when it does not serve with `host`.
   */
  hostOverwhelmed(host: Host): boolean {
    if (this.#hostState !== "running" || this.#host !== host || this.#state !== "ready") return false;
    this.#hostState = "none";
    this.#host = undefined;
    this.#restarts.startAtOnce();
    this.#isVerified = true;
    this.#isBetweenHosts = true;
    this.#enter("staged", ["ready"]);
    return true;
  }

  #crashed(failure: Failure, now: number, random: Random): CrashVerdict {
    this.#isBetweenHosts = false;
    const verdict = this.#restarts.crashed(now, random);
    if (verdict.kind === "give-up") this.#fail(failure, now);
    else this.#enter("staged", [...BETWEEN_HOSTS, "ready"]);
    return verdict;
  }

  #fail({ code, detail }: Failure, now: number): void {
    const origins = [...BEFORE_SERVING, "ready"] as const;
    this.#expect("become failed", origins);
    this.#restarts.failed(code, now);
    this.#enter("failed", origins, { failure: { code, detail: detail.slice(0, MAX_DETAIL) } });
  }

  #enter(state: PlacementState, origins: readonly PlacementState[], facts: StateFacts = {}): void {
    this.#expect(`become ${state}`, origins);
    this.#state = state;
    if (!BETWEEN_HOSTS.includes(state)) this.#isBetweenHosts = false;
    const keepsMeasures = state === "draining" || this.#isBetweenHosts;
    this.#facts = keepsMeasures ? { ...facts, measured: this.#facts.measured } : facts;
    this.#onChange(this);
  }

  #expect(what: string, states: readonly PlacementState[]): void {
    if (!states.includes(this.#state)) this.#refuse(what, `is ${this.#state}`);
  }

  #expectHost(what: string, states: readonly HostState[]): void {
    if (!states.includes(this.#hostState)) this.#refuse(what, `has its host in the state ${this.#hostState}`);
  }

  #refuse(what: string, why: string): never {
    throw new Error(`placement ${this.#spec.placementId} cannot ${what} while it ${why}`);
  }
}
