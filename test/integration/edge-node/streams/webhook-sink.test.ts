import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { WebhookSink } from "../../../../edge-node/adapters/streams/webhook-sink.ts";
import type { Delivery, StreamResult } from "../../../../edge-node/ports/streams.ts";
import { WebhookReceiver } from "../../../support/network/webhook-receiver.ts";

const aResult = (position: number): StreamResult => ({
  position,
  acceptedAt: 1_700_000_000_000,
  idempotencyKey: `node/same/press/1700000000000-${position}`,
  key: "",
  body: new TextEncoder().encode(JSON.stringify({ position })),
});

describe("a webhook for results", () => {
  const receiver = new WebhookReceiver();
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(path.join(tmpdir(), "skerry-webhook-"));
    receiver.received.length = 0;
    receiver.status = 204;
    receiver.retryAfter = undefined;
    await receiver.start();
  });
  afterEach(async () => {
    await receiver.stop();
    await rm(base, { recursive: true, force: true });
  });

  async function deliver(position: number, tokenFile?: string): Promise<readonly Delivery[]> {
    const sink = new WebhookSink({ url: receiver.url, tokenFile, timeoutMs: 30_000 }).open();
    const deliveries = await sink.deliver([aResult(position)], new AbortController().signal);
    await sink.close();
    return deliveries;
  }

  it("gets the token of a file, which may be replaced, and none where there is no such file declared", async () => {
    const tokenFile = path.join(base, "token");
    await writeFile(tokenFile, "first\n");
    expect(await deliver(1, tokenFile)).toEqual([{ kind: "delivered" }]);
    await writeFile(tokenFile, "second");
    await deliver(2, tokenFile);
    await deliver(3);
    expect(receiver.received.map(({ authorization }) => authorization)).toEqual([
      "Bearer first",
      "Bearer second",
      undefined,
    ]);
  });

  it("gets nothing while its token cannot be read", async () => {
    const [delivery] = await deliver(1, path.join(base, "absent"));
    expect(delivery).toMatchObject({ kind: "later", why: expect.stringContaining("the token of the webhook") });
    expect(receiver.received).toEqual([]);
  });

  it.each([
    ["so many seconds", "7", 7_000],
    ["a day, of which five minutes count", "86400", 300_000],
    ["a date, which counts for nothing", "Wed, 21 Oct 2026 07:28:00 GMT", undefined],
    ["nothing", undefined, undefined],
  ])("is tried again after %s, as it asks", async (_what, retryAfter, retryAfterMs) => {
    receiver.status = 429;
    receiver.retryAfter = retryAfter;
    expect(await deliver(1)).toEqual([{ kind: "later", why: "the webhook answers 429", retryAfterMs }]);
  });
});
