import type { Clock } from "../../../shared/base/clock.ts";
import { messageOf } from "../../../shared/base/errors.ts";
import { CLOSE } from "../../../shared/protocol/close-codes.ts";
import { STAGING_MS, TRANSFER_SILENCE_MS } from "../../../shared/protocol/limits.ts";
import { chunksOf, type Manifest } from "../../../shared/protocol/model-files/manifest.ts";
import type { PlacementFailure } from "../../../shared/protocol/placement.ts";
import { TRANSFER_FRAME, type TransferFrame } from "../../../shared/protocol/frames/transfer-frame.ts";
import { CreditWindow, GRANT_MS } from "../../core/credit-window.ts";
import { TransferProgress } from "../../core/transfer.ts";
import type { Staging } from "../../ports/disk.ts";
import type { TransferChannel } from "../../ports/channels.ts";
import { isHostFailure } from "../hosts/host-failure.ts";
import { ManifestAssembly } from "./manifest-assembly.ts";

export type TransferOutcome =
  | { readonly kind: "done"; readonly received: number; readonly reused: number }
  /** The socket is gone, or was given up; what arrived stays on the disk. */
  | { readonly kind: "cut"; readonly why: string; readonly received: number }
  | { readonly kind: "failed"; readonly code: PlacementFailure; readonly detail: string };

interface Parts {
  readonly artifact: string;
  readonly clock: Clock;
  readonly dial: (onFrame: (frame: TransferFrame) => Promise<void>) => Promise<TransferChannel>;
  readonly stage: (manifest: Manifest) => Promise<Staging>;
  /** Why this node cannot run what the manifest describes; undefined when it can. */
  readonly whyIncompatible: (manifest: Manifest) => string | undefined;
  readonly onProgress: (done: number, total: number) => void;
  readonly onVerifying: () => void;
}

/**
 * Receives one artifact: manifest → staging → need → chunks → commit. Frames come one at a time; fsync runs beside
 * them, so that the disk and the network work at once, and the window bounds what is between the two.
 */
export class TransferReceiver {
  readonly #parts: Parts;
  readonly #manifest: ManifestAssembly;
  readonly #credit: CreditWindow;
  readonly #channel = Promise.withResolvers<TransferChannel>();
  readonly #outcome = Promise.withResolvers<TransferOutcome>();
  #isOver = false;
  /** All bytes are here: a socket that closes now changes nothing. */
  #isCommitting = false;
  #staging: Staging | undefined;
  /** The frame that is worked on now, or was last. */
  #handling: Promise<void> = Promise.resolve();
  #known: Manifest | undefined;
  #progress: TransferProgress | undefined;
  /** Bytes of this round that were written, and the round, which tells a late fsync apart. */
  #written = 0;
  #round = 0;
  #syncing: Promise<void> | undefined;
  #cancelGrant: () => void = () => undefined;
  #cancelSilence: () => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#manifest = new ManifestAssembly(parts.artifact);
    this.#credit = new CreditWindow(parts.clock.now());
    this.#channel.promise.catch(() => undefined);
  }

  /** Resolves when the transfer ended, whatever way, and the staging is closed. Never rejects. */
  async run(): Promise<TransferOutcome> {
    let channel: TransferChannel | undefined;
    try {
      channel = await this.#parts.dial((frame) => this.#onFrame(frame));
      this.#channel.resolve(channel);
      this.#expectProgress();
      void channel.closed.then(({ code, reason }) => this.#cut(`the transfer channel closed: ${reason} (${code})`));
    } catch (error) {
      this.#channel.reject(error);
      this.#cut(messageOf(error));
    }
    const outcome = await this.#outcome.promise;
    // It may be opening the staging: left open, that would refuse every later transfer of this artifact.
    await this.#handling;
    await this.#syncing;
    this.#cancelGrant();
    this.#cancelSilence();
    await this.#staging?.close();
    channel?.close(CLOSE.DONE, "");
    return outcome;
  }

  /** Ends the transfer; the outcome is `cut`. */
  cancel(why: string): void {
    this.#cut(why);
  }

  #onFrame(frame: TransferFrame): Promise<void> {
    if (!this.#isOver) this.#handling = this.#handle(frame);
    return this.#handling;
  }

  async #handle(frame: TransferFrame): Promise<void> {
    try {
      if (frame.type === TRANSFER_FRAME.MANIFEST) await this.#onManifest(frame);
      else await this.#onChunk(frame);
    } catch (error) {
      this.#broke(error);
    }
  }

  /** The disk failed: with a code when it is full, else the transfer is tried again. */
  #broke(error: unknown): void {
    this.#isCommitting = false;
    if (isHostFailure(error)) this.#end({ kind: "failed", code: error.code, detail: error.message });
    else this.#cut(messageOf(error));
  }

  async #onManifest(frame: TransferFrame): Promise<void> {
    if (this.#known) return this.#broken("a second manifest");
    const part = this.#manifest.add(frame);
    switch (part.kind) {
      case "partial":
        return;
      case "broken":
        return this.#broken(part.why);
      case "wrong":
        return this.#end({ kind: "failed", code: "DIGEST_MISMATCH", detail: part.why });
      case "complete": {
        this.#known = part.manifest;
        const why = this.#parts.whyIncompatible(part.manifest);
        if (why !== undefined) return this.#end({ kind: "failed", code: "INCOMPATIBLE", detail: why });
        return this.#stage(part.manifest);
      }
    }
  }

  async #stage(manifest: Manifest): Promise<void> {
    // What is there from an earlier try is hashed first.
    this.#expectProgress(STAGING_MS);
    this.#staging = await this.#parts.stage(manifest);
    this.#expectProgress();
    const { present, partial } = this.#staging;
    this.#progress = new TransferProgress(chunksOf(manifest), present, partial);
    await this.#nextRound();
  }

  async #onChunk({ chunk, offset, payload, end }: TransferFrame): Promise<void> {
    const { onProgress } = this.#parts;
    const [progress, staging] = [this.#progress, this.#staging];
    if (!progress || !staging) return this.#broken("a chunk before need");
    const verdict = progress.frame(chunk, offset, payload.byteLength);
    if (verdict === "broken" || !this.#credit.receive(payload.byteLength))
      return this.#broken(`chunk ${chunk} at ${offset} was not asked for`);
    await staging.write(chunk, offset, payload);
    if (this.#isOver) return;
    this.#written += payload.byteLength;
    if (verdict === "complete") progress.verified(chunk, { isGood: await staging.verifyChunk(chunk) });
    onProgress(progress.doneBytes, progress.totalBytes);
    if (end) return this.#endRound(progress);
    if (this.#credit.isDue()) this.#grant();
  }

  async #endRound(progress: TransferProgress): Promise<void> {
    while (this.#syncing) await this.#syncing;
    await this.#staging?.sync();
    this.#expectProgress();
    if (progress.endRound() !== "hopeless") return this.#nextRound();
    const detail = "a chunk arrived damaged three times";
    return this.#end({ kind: "failed", code: "DIGEST_MISMATCH", detail });
  }

  async #nextRound(): Promise<void> {
    const progress = this.#progress;
    if (!progress || this.#isOver) return;
    if (progress.isComplete) return this.#commit(progress);
    this.#round += 1;
    this.#written = 0;
    this.#credit.begin();
    const { chunks, partial } = progress.need();
    const channel = await this.#channel.promise;
    channel.send({ type: "need", chunks, ...(partial && { partial }), window: this.#credit.window });
    this.#parts.onProgress(progress.doneBytes, progress.totalBytes);
    this.#grantLater();
  }

  async #commit(progress: TransferProgress): Promise<void> {
    this.#isCommitting = true;
    this.#parts.onVerifying();
    if (await this.#staging?.commit())
      return this.#end({ kind: "done", received: progress.receivedBytes, reused: progress.reusedBytes });
    // Every chunk was right when it came, so the manifest contradicts itself or the disk does not keep what it is given.
    const detail = "all chunks are right, but a file made of them is not";
    return this.#end({ kind: "failed", code: "DIGEST_MISMATCH", detail });
  }

  /** Makes what was written durable and tells the sender so. Runs beside the frames. */
  #grant(): void {
    if (this.#syncing || this.#isOver) return;
    const { clock } = this.#parts;
    const [round, written] = [this.#round, this.#written];
    this.#cancelGrant();
    this.#syncing = (async () => {
      try {
        await this.#staging?.sync();
        if (round !== this.#round || this.#isOver) return;
        if (written > this.#credit.durable) this.#expectProgress();
        (await this.#channel.promise).send({ type: "credit", ...this.#credit.grant(written, clock.now()) });
      } catch (error) {
        this.#broke(error);
      } finally {
        this.#syncing = undefined;
        if (!this.#isOver && round === this.#round) this.#grantAgain();
      }
    })();
  }

  /** More than a quarter of a window may have come while the disk was busy. */
  #grantAgain(): void {
    if (this.#written > this.#credit.durable && this.#credit.isDue()) this.#grant();
    else this.#grantLater();
  }

  #grantLater(): void {
    const { clock } = this.#parts;
    this.#cancelGrant();
    this.#cancelGrant = clock.after(GRANT_MS, () => {
      if (this.#written > this.#credit.durable) this.#grant();
      else this.#grantLater();
    });
  }

  #expectProgress(withinMs: number = TRANSFER_SILENCE_MS): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#parts.clock.after(withinMs, () =>
      this.#cut(`nothing reached the disk for ${withinMs / 1_000} s`),
    );
  }

  #broken(why: string): void {
    void this.#channel.promise.then((channel) => channel.close(CLOSE.INVALID_MESSAGE, why.slice(0, 100)));
    this.#cut(why);
  }

  #cut(why: string): void {
    if (this.#isCommitting) return;
    this.#end({ kind: "cut", why, received: this.#progress?.receivedBytes ?? 0 });
  }

  #end(outcome: TransferOutcome): void {
    this.#isOver = true;
    this.#outcome.resolve(outcome);
  }
}
