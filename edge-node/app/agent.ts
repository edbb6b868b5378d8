import type { Clock } from "../../shared/base/clock.ts";
import { newId } from "../../shared/base/ids.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { Random } from "../../shared/base/random.ts";
import type { Capabilities } from "../../shared/protocol/messages/capabilities.ts";
import type { PlacementReport } from "../../shared/protocol/messages/placement-report.ts";
import type { StreamReport } from "../../shared/protocol/messages/load-report.ts";
import type { LocalPlacement } from "../core/placements/local-placement.ts";
import { whyIncompatible } from "../core/compatibility.ts";
import type { TrustedKeys } from "../core/placements/trust.ts";
import type { ArtifactDisk, StateFile } from "../ports/disk.ts";
import type { Dialer } from "../ports/channels.ts";
import type { SystemProbe } from "../ports/machine.ts";
import type { ModelHost, ModelHosts } from "../ports/model-hosts.ts";
import type { LocalStatus, NodeTelemetry } from "../ports/serving.ts";
import type { CallerKeys } from "./session/caller-keys.ts";
import { Connection } from "./session/connection.ts";
import { DesiredStateReceiver } from "./placements/desired-state-receiver.ts";
import { Executor } from "./placements/executor.ts";
import type { KeyRotation } from "./session/key-rotation.ts";
import { HostSupervisor } from "./hosts/host-supervisor.ts";
import { LocalState } from "./placements/local-state.ts";
import { NodeLog } from "./session/node-log.ts";
import { Placements } from "./placements/placements.ts";
import type { RequestExecutor } from "./inference/request-executor.ts";
import { StateAges } from "./placements/state-ages.ts";
import { StatusReports } from "./session/status-reports.ts";
import { TransferRoom } from "./transfer/transfer-room.ts";
import { Transfers } from "./transfer/transfers.ts";

export interface AgentParts {
  readonly dialer: Dialer;
  readonly memoryFile: StateFile;
  readonly disk: ArtifactDisk;
  readonly hosts: ModelHosts;
  readonly serving: RequestExecutor;
  readonly probe: SystemProbe;
  readonly telemetry: NodeTelemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Left out: the node takes versions that nobody signed. */
  readonly signingKeys?: TrustedKeys | undefined;
  /** Left out: the node's key stays. */
  readonly keyRotation?: KeyRotation;
  /** Undefined: the node's own address takes no API keys. */
  readonly callerKeys?: CallerKeys | undefined;
  /** What the node reports of its streams. Left out: it runs none. */
  readonly streams?: (() => readonly StreamReport[]) | undefined;
  /** Called once, when the control plane has said that this node's identity is void. */
  readonly onRemoved: () => void;
}

/** A model that takes longer to load must not keep the node away. */
const SERVE_FIRST_MS = 1_000;

/**
 * The node: serves what its disk holds, keeps a session with the control plane when there is one, and turns what is
 * desired into model hosts. It starts what it remembers before it dials, so a control plane that is away costs nothing.
 */
export class Agent {
  readonly #memory: LocalState;
  readonly #executor: Executor;
  readonly #connection: Connection;
  readonly #placements: Placements;
  readonly #probe: SystemProbe;
  readonly #clock: Clock;
  readonly #ages: StateAges;
  readonly #log: NodeLog;
  readonly #startedAt: number;
  #capabilities: Capabilities | undefined;
  #isStopping = false;

  constructor(parts: AgentParts) {
    const { clock, random, logger, disk, serving, probe, telemetry } = parts;
    const log = new NodeLog(clock);
    const statuses = new StatusReports(clock);
    const ages = new StateAges(clock);
    const onReport = (report: PlacementReport): void => {
      ages.changed(report);
      statuses.changed(report);
    };
    const placements = new Placements(onReport, { keepsStreams: (id) => serving.keptStreams(id) > 0 });
    const memory = new LocalState(parts.memoryFile);
    const onSettled = (): void => this.#executor.trigger();
    const shared = { ...parts, log, statuses, placements, memory, onSettled };
    const supervisor = new HostSupervisor(shared);
    const transfers = new Transfers({
      ...shared,
      whyIncompatible: (manifest) => this.#capabilities && whyIncompatible(manifest, this.#capabilities),
      makeRoom: () => this.#executor.makeRoom(),
    });
    const desired = new DesiredStateReceiver({
      memory,
      clock,
      logger,
      ready: () => placements.ready(),
      onApplied: onSettled,
    });
    this.#executor = new Executor({
      ...shared,
      supervisor,
      cancelUnwantedTransfers: () => transfers.cancelUnwanted(),
    });
    this.#connection = new Connection({
      dialer: parts.dialer,
      desired,
      placements,
      statuses,
      transfers,
      log,
      serving,
      disk: new TransferRoom({ disk, keptForRollback: () => this.#executor.keptForRollback() }),
      probe,
      telemetry,
      streams: parts.streams,
      clock,
      random,
      logger,
      memory,
      bootId: newId("b", random),
      onRemoved: parts.onRemoved,
      keyRotation: parts.keyRotation,
      callerKeys: parts.callerKeys,
      capabilities: () => this.#capabilitiesNow(),
    });
    this.#memory = memory;
    this.#placements = placements;
    this.#probe = probe;
    this.#clock = clock;
    this.#ages = ages;
    this.#log = log;
    this.#startedAt = clock.now();
    placements.onChange(() => this.#connection.placementsChanged());
  }

  /** Takes up what the node remembers. When it resolves, all of that is held, though not all of it ready. */
  async restore(): Promise<void> {
    await this.#memory.load();
    await this.#capabilitiesNow();
    this.#executor.trigger();
    await this.#executor.planned();
  }

  /** After `restore`: dials when all that was remembered is up, or after a second. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(SERVE_FIRST_MS, resolve);
      void this.#executor.idle().then(() => {
        cancel();
        resolve();
      });
    });
    this.#connection.start();
  }

  /** What it holds, oldest first. */
  placements(): readonly LocalPlacement<ModelHost>[] {
    return [...this.#placements.all().values()];
  }

  /** What the node can do has changed: other models at its engines. Placements that failed for that are tried again. */
  async capabilitiesChanged(): Promise<void> {
    const capabilities = await this.#capabilitiesNow().catch(() => undefined);
    if (capabilities === undefined) return; // the next session says them
    for (const placement of this.placements())
      for (const code of ["ENGINE_AWAY", "ENGINE_CONFIG"] as const) placement.retryAfter(code);
    this.#executor.trigger();
    this.#connection.capabilitiesChanged(capabilities);
  }

  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  get isRemoved(): boolean {
    return this.#connection.isRemoved;
  }

  /** What a technician at the machine asks. */
  status(): LocalStatus {
    return {
      startedAgeMs: this.#clock.now() - this.#startedAt,
      link: this.#connection.link,
      log: this.#log.recent(),
      unsentLines: this.#log.unsent,
    };
  }

  /** Tells the operator, as an event of the node and on its page. */
  report(sentence: string, reason: string): void {
    this.#log.add("warn", sentence, reason);
  }

  /** How long a placement is in its state, in ms. */
  stateAgeMs(placementId: string): number {
    return this.#ages.ageMs(placementId);
  }

  get isWaiting(): boolean {
    return this.#connection.isWaiting;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Takes no new work, lets the running requests end for at most `graceMs`, stops the hosts, closes the session. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#executor.stop(graceMs);
    await this.#connection.stop();
  }

  async #capabilitiesNow(): Promise<Capabilities> {
    return (this.#capabilities = await this.#probe.capabilities());
  }
}
