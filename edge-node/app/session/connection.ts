import { sleep } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { DRAIN_MS } from "../../../shared/protocol/limits.ts";
import type { Capabilities } from "../../../shared/protocol/messages/capabilities.ts";
import type { ControlPlaneMessage } from "../../../shared/protocol/messages/control-plane-messages.ts";
import { Reconnect } from "../../core/reconnect.ts";
import type { ChannelClosed } from "../../ports/channels.ts";
import { isChannelRefused } from "./channel-refused.ts";
import type { LocalState } from "../placements/local-state.ts";
import { Session, type SessionParts } from "./session.ts";

/** An epoch further ahead than this is a fault or an attack. */
const MAX_EPOCH_JUMP = 1_000_000;

interface Parts extends SessionParts {
  readonly memory: LocalState;
  readonly capabilities: () => Promise<Capabilities>;
  readonly bootId: string;
  /** Called once, when the control plane has said that this identity is void. */
  readonly onRemoved: () => void;
}

export const REMOVED =
  "this node was removed from its control plane, and its key is void. Its models serve on at its own address. " +
  "To join again, stop it and run `skerry join` with a new token and the same folder; to end it for good, stop it and delete the folder";

/** What a node says of itself while no operator has approved it. */
export const waitsForApproval = (name: string, publicKey: string): string =>
  `this node waits for an operator to approve it: skerry nodes approve ${name}; its key is ${publicKey}`;

/** Keeps one session with the control plane open until it is stopped: dials, hands over, waits with jitter, dials again. */
export class Connection {
  readonly #parts: Parts;
  readonly #reconnect: Reconnect;
  readonly #stop = new AbortController();
  readonly #stopped = Promise.withResolvers<"stopped">();
  #session: Session | undefined;
  #isRemoved = false;
  #isWaiting = false;
  #loop: Promise<void> = Promise.resolve();
  /** Sessions that are on their way out. */
  readonly #closing = new Set<Promise<void>>();
  /** The outage that was logged: one line for each change, not for each attempt. */
  #complaint: string | undefined;
  #isUp = false;
  /** When the session began that is open, or the last one ended. */
  #changedAt: number;
  #lastFault: string | undefined;
  /** The last capabilities that differed from those before them. */
  #changed: Capabilities | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#changedAt = parts.clock.now();
    this.#reconnect = new Reconnect(parts.random);
  }

  start(): void {
    this.#loop = this.#run(this.#stop.signal);
  }

  /** Closes the session and stops reconnecting. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopped.resolve("stopped");
    await this.#loop;
    await Promise.all(this.#closing);
  }

  /** Whether there is a session now. */
  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  /** Whether the control plane has said that this identity is void. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** How long there is a session, or none, in ms, and why the last one ended or could not begin. */
  get link(): { readonly ageMs: number; readonly lastFault: string | undefined } {
    return { ageMs: this.#parts.clock.now() - this.#changedAt, lastFault: this.#lastFault };
  }

  /** Whether the control plane has said, when it was dialled last, that an operator has to approve this node. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** A placement became ready, or ceased to be. */
  placementsChanged(): void {
    this.#session?.placementsChanged();
  }

  /** Without effect while there is no session: the next one begins with them. */
  capabilitiesChanged(capabilities: Capabilities): void {
    this.#changed = capabilities;
    this.#session?.capabilitiesChanged(capabilities);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      const closed = await this.#once(signal);
      if (signal.aborted) break;
      if (closed === "take over" || closed === "dial again") continue;
      const redial = this.#reconnect.after(closed, clock.now());
      if (redial.kind === "never") {
        logger.error({ code: closed.code }, REMOVED);
        this.#isRemoved = true;
        this.#parts.onRemoved();
        break;
      }
      await sleep(clock, redial.waitMs, signal).catch(() => undefined);
    }
    await this.#leave("the node stops");
  }

  /** One session from dial to end. */
  async #once(signal: AbortSignal): Promise<ChannelClosed | "take over" | "dial again"> {
    let session: Session;
    try {
      session = await this.#open(signal);
    } catch (error) {
      const closed = isChannelRefused(error)
        ? error.closed
        : { code: CLOSE.FAULT as number, reason: messageOf(error), retryAfterMs: 0 };
      this.#isWaiting = closed.code === CLOSE.WAITING;
      if (!signal.aborted) this.#complain(closed);
      return this.#parts.keyRotation?.refused(closed.code) === true ? "dial again" : closed;
    }
    const end = await Promise.race([session.ended, this.#stopped.promise]);
    if (end === "stopped") return "take over";
    if (end.kind === "goaway") {
      this.#parts.dialer.tryNextUrl();
      this.#forgetWhenClosed(session);
      return "take over";
    }
    this.#complain(end.closed);
    this.#become({ isUp: false });
    await this.#leave(end.closed.reason);
    return end.closed;
  }

  async #open(signal: AbortSignal): Promise<Session> {
    const { dialer, memory, desired, placements, statuses, capabilities, bootId, logger } = this.#parts;
    const reports = placements.reports();
    const before = this.#changed;
    statuses.inHello(reports);
    // What arrives right behind `welcome` waits until the session is open.
    const early: ControlPlaneMessage[] = [];
    let deliver = (message: ControlPlaneMessage): void => void early.push(message);
    const channel = await dialer.control(
      {
        epoch: memory.current.epoch,
        capabilities: await capabilities(),
        bootId,
        desired: desired.position,
        placements: reports,
      },
      (message) => deliver(message),
      signal,
    );
    const { epoch = 0, replica } = channel.welcome;
    const known = memory.current.epoch;
    if (epoch <= known || (known > 0 && epoch - known > MAX_EPOCH_JUMP)) {
      channel.close(CLOSE.INVALID_MESSAGE, `epoch ${epoch} after ${known}`);
      throw new Error(`the control plane offered epoch ${epoch} after ${known}`);
    }
    // A disk that refuses the epoch must not keep the node away: the session carries it all the same.
    await memory
      .update((old) => ({ ...old, epoch }))
      .catch((error: unknown) => logger.warn({ error: messageOf(error) }, "the epoch could not be written"));
    await this.#leave("a newer session takes over");
    const session = new Session(channel, { epoch, onProven: () => this.#reconnect.proven() }, this.#parts);
    this.#session = session;
    session.start();
    // They may have changed while `hello` was on its way.
    if (this.#changed !== undefined && this.#changed !== before) session.capabilitiesChanged(this.#changed);
    deliver = (message) => session.onMessage(message);
    for (const message of early) session.onMessage(message);
    this.#complaint = undefined;
    this.#become({ isUp: true });
    this.#isWaiting = false;
    logger.info({ epoch, replica }, "connected to the control plane");
    return session;
  }

  /**
   * Ends the present session; its last requests may take 5 s more. A control plane that hands its nodes over goes on sending
   * requests until its callers know: then it closes the session itself.
   */
  async #leave(reason: string): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    session.detach();
    const closing = (session.isSentAway ? this.#untilClosed(session) : Promise.resolve())
      .then(() => session.close(reason))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** One that was sent away may be closed before another takes over, when no control plane can be reached: then there is none. */
  #forgetWhenClosed(session: Session): void {
    void session.linkClosed.then(() => {
      if (this.#session !== session) return undefined;
      this.#become({ isUp: false });
      return this.#leave("its link is closed");
    });
  }

  async #untilClosed(session: Session): Promise<void> {
    const deadline = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.after(DRAIN_MS, deadline.resolve);
    await Promise.race([session.linkClosed, this.#stopped.promise, deadline.promise]);
    cancel();
  }

  /** A session that takes over from another changes nothing. */
  #become({ isUp }: { readonly isUp: boolean }): void {
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    this.#changedAt = this.#parts.clock.now();
  }

  #complain({ code, reason }: ChannelClosed): void {
    const complaint = `${code} ${reason}`;
    this.#lastFault = complaint;
    if (complaint === this.#complaint) return;
    this.#complaint = complaint;
    this.#parts.logger.warn({ code, reason }, "not connected to the control plane; dialling again, serving on");
  }
}
