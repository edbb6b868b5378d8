import { once } from "node:events";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WebSocket, WebSocketServer } from "ws";
import { releaseSpentChunks } from "../../../shared/spent-chunks.ts";

/** Sizes around the bounds of frame headers, of ws's views and copies, and of what one read brings. */
const size = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 65_000, max: 66_000 }),
  fc.integer({ min: 1_000, max: 400_000 }),
);
const sent = fc.record({ bytes: size, isPing: fc.boolean(), isOfItsOwnTurn: fc.boolean() });

const bytesOf = (length: number, mark: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + mark) % 251));

describe("what a WebSocket has read", () => {
  let server: WebSocketServer;

  beforeAll(async () => {
    server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
    await once(server, "listening");
  });

  afterAll(() => server.close());

  /** A client that gives back what it has read, the other end, and every chunk that was read. */
  async function open(): Promise<{ client: WebSocket; peer: WebSocket; chunks: Buffer[] }> {
    const { port } = server.address() as AddressInfo;
    const below: Socket = connect(port, "127.0.0.1");
    const client = new WebSocket(`ws://127.0.0.1:${port}`, { createConnection: () => below, perMessageDeflate: false });
    const [[peer]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [[WebSocket], unknown];
    const chunks: Buffer[] = [];
    releaseSpentChunks(client, below);
    below.on("data", (chunk: Buffer) => chunks.push(chunk));
    return { client, peer, chunks };
  }

  it("is given back without harm to any message, however they were cut and however long they are kept", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 12 }), async (plan) => {
        const { client, peer } = await open();
        const kept: Buffer[] = [];
        client.on("message", (data: Buffer) => kept.push(data));
        const pings: Buffer[] = [];
        client.on("ping", (data: Buffer) => pings.push(data));
        for (const [i, { bytes, isPing, isOfItsOwnTurn }] of plan.entries()) {
          if (isPing) peer.ping(bytesOf(bytes % 126, i));
          else peer.send(bytesOf(bytes, i));
          if (isOfItsOwnTurn) await new Promise((resolve) => setImmediate(resolve));
        }
        peer.close();
        await Promise.all([once(client, "close"), once(peer, "close")]);
        const expected = (isPing: boolean): Buffer[] =>
          plan.flatMap((each, i) =>
            each.isPing === isPing ? [bytesOf(isPing ? each.bytes % 126 : each.bytes, i)] : [],
          );
        expect(Buffer.concat(kept).equals(Buffer.concat(expected(false)))).toBe(true);
        expect(Buffer.concat(pings).equals(Buffer.concat(expected(true)))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("is given back at once but for the last chunk, when messages are larger than a chunk", async () => {
    const { client, peer, chunks } = await open();
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      client.on("message", (data: Buffer) => {
        bytes += data.byteLength;
        if (bytes === 20 * 300_000) resolve();
      });
    });
    for (let i = 0; i < 20; i += 1) peer.send(bytesOf(300_000, i));
    await all;
    const large = chunks.slice(0, -1).filter(({ byteLength }) => byteLength === 0 || byteLength >= 16_384);
    expect(large.length).toBeGreaterThan(20);
    expect(large.every(({ byteLength }) => byteLength === 0)).toBe(true);
    client.terminate();
  });
});
