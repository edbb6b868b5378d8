import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Logger } from "../../../shared/base/logging/logger.ts";
import type { CertificateSource, ServerCertificate } from "../../../shared/base/network/server-certificate.ts";
import type { ServerTls } from "../../ports/server-tls.ts";
import type { CheckedCertificate } from "./certificate-check.ts";

/** So long before its end a certificate that nobody has renewed is a warning, at most: of a shorter life, a fifth of it. */
const WARN_MS = 21 * 86_400_000;
const WARN_SHARE = 0.2;
/** The same warning is an event this often. */
const REPEAT_MS = 86_400_000;

interface Parts {
  readonly pin: string;
  readonly first: CheckedCertificate;
  /** The certificate that is to be shown now; throws when there is none that can be. */
  readonly load: () => Promise<CheckedCertificate>;
  /** How often `load` is called, in ms. */
  readonly everyMs: number;
  /** What brings another certificate, for people. */
  readonly remedy: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

type RecordEvent = Parameters<ServerTls["start"]>[0];

/**
 * The certificate of the server, looked at again and again: one that was replaced is shown to the next connection, and no
 * connection ends for it. What cannot be read or shown changes nothing and is an event; so is one that comes near its end.
 */
export class WatchedCertificate implements ServerTls, CertificateSource {
  readonly pin: string;
  readonly #parts: Parts;
  readonly #listeners: ((next: ServerCertificate) => void)[] = [];
  #current: CheckedCertificate;
  #record: RecordEvent = () => undefined;
  #trouble: string | undefined;
  #warnedAt = -Infinity;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(parts: Parts) {
    this.pin = parts.pin;
    this.#parts = parts;
    this.#current = parts.first;
  }

  get certificates(): CertificateSource {
    return this;
  }

  get current(): ServerCertificate {
    return this.#current;
  }

  get endsAt(): number {
    return this.#current.endsAt;
  }

  onChange(listener: (next: ServerCertificate) => void): void {
    this.#listeners.push(listener);
  }

  start(recordEvent: RecordEvent): void {
    this.#record = recordEvent;
    this.#warnNearEnd();
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.everyMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { load, logger } = this.#parts;
    try {
      const next = await load();
      this.#trouble = undefined;
      if (next.cert !== this.#current.cert || next.key !== this.#current.key) this.#show(next);
    } catch (error) {
      const why = messageOf(error);
      if (why !== this.#trouble) {
        logger.warn({ why }, "the certificate on the disk cannot be shown; the one before it stays");
        this.#record({
          type: "Warning",
          reason: "CertificateRefused",
          message: `the certificate on the disk cannot be shown, so the one before it stays: ${why}`,
        });
      }
      this.#trouble = why;
    }
    this.#warnNearEnd();
    this.#schedule();
  }

  #show(next: CheckedCertificate): void {
    this.#current = next;
    this.#warnedAt = -Infinity;
    for (const listener of this.#listeners) listener(next);
    const until = dayOf(next.endsAt);
    this.#parts.logger.info({ until }, "another certificate is shown");
    this.#record({
      type: "Normal",
      reason: "CertificateChanged",
      message: `new connections are shown another certificate, which is valid until ${until}`,
    });
  }

  #warnNearEnd(): void {
    const { clock, logger, remedy } = this.#parts;
    const { endsAt, beganAt } = this.#current;
    const leftMs = endsAt - clock.wallNow();
    if (leftMs > Math.min(WARN_MS, WARN_SHARE * (endsAt - beganAt))) return;
    if (clock.now() - this.#warnedAt < REPEAT_MS) return;
    this.#warnedAt = clock.now();
    const until = dayOf(endsAt);
    logger.warn({ until }, "the certificate ends soon");
    this.#record({
      type: "Warning",
      reason: "CertificateEndsSoon",
      message: `the certificate of this control plane ${leftMs > 0 ? "ends" : "ended"} at ${until}; ${remedy}`,
    });
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString();
