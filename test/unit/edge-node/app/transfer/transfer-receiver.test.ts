import { describe, expect, it } from "@jest/globals";
import { TransferReceiver } from "../../../../../edge-node/app/transfer/transfer-receiver.ts";
import type { Staging } from "../../../../../edge-node/ports/disk.ts";
import type { TransferChannel } from "../../../../../edge-node/ports/channels.ts";
import { manifestBytes } from "../../../../../shared/protocol/model-files/manifest.ts";
import { TRANSFER_FRAME, type TransferFrame } from "../../../../../shared/protocol/frames/transfer-frame.ts";
import { anArtifact, randomBytesOf } from "../../../../support/models/artifact-fixture.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const fixture = anArtifact(randomBytesOf(100_000, 1));
const manifestFrame: TransferFrame = {
  type: TRANSFER_FRAME.MANIFEST,
  end: true,
  chunk: 0,
  offset: 0,
  payload: Buffer.from(manifestBytes(fixture.manifest)),
};

const channel: TransferChannel = {
  send: () => undefined,
  close: () => undefined,
  closed: new Promise(() => undefined),
};

/** A disk that opens the staging when the test lets it, and counts how many are open. */
class SlowDisk {
  open = 0;
  readonly #opened = Promise.withResolvers<void>();

  letItOpen(): void {
    this.#opened.resolve();
  }

  async stage(): Promise<Staging> {
    await this.#opened.promise;
    this.open += 1;
    return {
      present: new Set(),
      partial: undefined,
      write: () => Promise.resolve(),
      verifyChunk: () => Promise.resolve(true),
      sync: () => Promise.resolve(),
      commit: () => Promise.resolve(true),
      close: () => {
        this.open -= 1;
        return Promise.resolve();
      },
    };
  }
}

describe("TransferReceiver", () => {
  it("closes the staging that was being opened when the transfer was called off, and ends only then", async () => {
    const disk = new SlowDisk();
    let onFrame: (frame: TransferFrame) => Promise<void> = () => Promise.resolve();
    const receiver = new TransferReceiver({
      artifact: fixture.artifact,
      clock: new TestClock(),
      dial: (handler) => {
        onFrame = handler;
        return Promise.resolve(channel);
      },
      stage: () => disk.stage(),
      whyIncompatible: () => undefined,
      onProgress: () => undefined,
      onVerifying: () => undefined,
    });
    let outcome: unknown;
    const ended = receiver.run().then((end) => (outcome = end));
    await settle();
    void onFrame(manifestFrame);
    receiver.cancel("the session ended");
    await settle();
    expect(outcome).toBeUndefined();
    disk.letItOpen();
    await ended;
    expect(outcome).toEqual({ kind: "cut", why: "the session ended", received: 0 });
    expect(disk.open).toBe(0);
  });
});
