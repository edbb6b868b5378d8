import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import path from "node:path";
import { connect as connectTls } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { WebSocket, WebSocketServer } from "ws";
import { releaseSpentChunks } from "../../../../shared/bytes/spent-chunks.ts";
import { eventually } from "../../../support/eventually.ts";

/** Sizes around the bounds of frame headers, of ws's views and copies, and of what one read brings. */
const size = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 65_000, max: 66_000 }),
  fc.integer({ min: 1_000, max: 400_000 }),
);
/** `parts`: frames of one message; between them a ping may come, and each may be read by itself. */
const sent = fc.record({
  bytes: size,
  isPing: fc.boolean(),
  isReadAlone: fc.boolean(),
  parts: fc.integer({ min: 1, max: 3 }),
});
type Sent = ReturnType<typeof sent.generate>["value"];

/** A client that gives back what it has read, the socket below it, the other end, and every chunk that was read. */
interface Pair {
  readonly client: WebSocket;
  readonly below: Socket;
  readonly peer: WebSocket;
  readonly chunks: Buffer[];
}

async function send({ peer, below }: Pair, bytes: Buffer, { parts, isReadAlone }: Sent): Promise<void> {
  for (let part = 1; part <= parts; part += 1) {
    // The last one is empty where there are three.
    const from = Math.min(bytes.byteLength, Math.ceil(bytes.byteLength / 2) * (part - 1));
    const to = parts === 1 ? bytes.byteLength : Math.min(bytes.byteLength, Math.ceil(bytes.byteLength / 2) * part);
    const read = isReadAlone ? once(below, "data") : undefined;
    peer.send(bytes.subarray(from, to), { fin: part === parts, binary: true });
    await read;
    if (isReadAlone && part < parts) peer.ping("between");
  }
}

/** 251 bytes over and over, which no frame or chunk is a multiple of: the same place of two messages differs by `mark`. */
const bytesOf = (length: number, mark: number): Buffer =>
  Buffer.alloc(
    length,
    Uint8Array.from({ length: 251 }, (_, i) => (i * 31 + mark) % 251),
  );

const read = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, "../../../support/network/tls", name), "utf8");

describe.each([
  ["TCP", false],
  ["TLS", true],
])("what a WebSocket has read over %s", (_under, isTls) => {
  let server: Server;
  let sockets: WebSocketServer;

  beforeAll(async () => {
    server = isTls ? createTlsServer({ cert: read("server.pem"), key: read("server.key") }) : createServer();
    sockets = new WebSocketServer({ server, perMessageDeflate: false });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });

  afterAll(() => {
    sockets.close();
    server.close();
  });

  async function open(messagesAreKept: boolean): Promise<Pair> {
    const { port } = server.address() as AddressInfo;
    const below = isTls
      ? connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: read("ca.pem") })
      : connect(port, "127.0.0.1");
    const url = `${isTls ? "wss" : "ws"}://localhost:${port}`;
    const client = new WebSocket(url, { createConnection: () => below, perMessageDeflate: false });
    const [[peer]] = (await Promise.all([once(sockets, "connection"), once(client, "open")])) as [[WebSocket], unknown];
    const chunks: Buffer[] = [];
    releaseSpentChunks(client, { below, messagesAreKept });
    below.on("data", (chunk: Buffer) => chunks.push(chunk));
    return { client, below, peer, chunks };
  }

  it.each([
    ["until the end", true],
    ["for their event only", false],
  ])("is returned without harm to any message, however they were cut, if they are kept %s", async (_how, isKept) => {
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 12 }), async (plan) => {
        const pair = await open(isKept);
        const { client, peer } = pair;
        const kept: Buffer[] = [];
        client.on("message", (data: Buffer) => kept.push(isKept ? data : Buffer.from(data)));
        const pings: Buffer[] = [];
        client.on("ping", (data: Buffer) => void (data.toString() !== "between" && pings.push(data)));
        for (const [i, each] of plan.entries()) {
          const { bytes, isPing } = each;
          if (isPing) peer.ping(bytesOf(bytes % 126, i));
          else await send(pair, bytesOf(bytes, i), each);
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
      { numRuns: 30 },
    );
  });

  it.each([
    ["messages larger than a chunk", 300_000, true],
    ["messages of any size that are not kept", 3_000, false],
  ])("is returned at once but for the last chunk: %s", async (_what, each, isKept) => {
    const { client, peer, chunks } = await open(isKept);
    const count = 6_000_000 / each;
    let bytes = 0;
    const all = new Promise<void>((resolve) => {
      client.on("message", (data: Buffer) => {
        bytes += data.byteLength;
        if (bytes === count * each) resolve();
      });
    });
    for (let i = 0; i < count; i += 1) peer.send(bytesOf(each, i));
    await all;
    const large = chunks.slice(0, -1).filter(({ byteLength }) => byteLength === 0 || byteLength >= 1_024);
    expect(large.length).toBeGreaterThan(20);
    expect(large.every(({ byteLength }) => byteLength === 0)).toBe(true);
    client.terminate();
  });

  it("is not kept while nobody says anything but pings, nor after a frame that broke the protocol", async () => {
    const { client, peer, chunks, below: reader } = await open(false);
    client.on("error", () => undefined);
    for (let i = 0; i < 20; i += 1) {
      client.ping();
      await once(client, "pong");
    }
    const below = (peer as unknown as { _socket: Socket })._socket;
    peer.pause(); // and so never answers the close
    below.write(Buffer.from([0xff, 0x00])); // reserved bits set
    await once(client, "error");
    const flooded: WeakRef<Buffer>[] = [];
    reader.on("data", (chunk: Buffer) => flooded.push(new WeakRef(chunk)));
    const flood = Buffer.alloc(65_536);
    const readBefore = reader.bytesRead;
    for (let i = 0; i < 200; i += 1) await new Promise((resolve) => below.write(flood, resolve));
    await eventually("the client has read all of it", () => reader.bytesRead - readBefore >= 200 * flood.byteLength);
    expect(flooded.length).toBeGreaterThan(100);
    chunks.length = 0;
    await eventually("the chunks are given back but for a few", () => {
      gc();
      return flooded.filter((chunk) => chunk.deref() !== undefined).length < 10;
    });
    expect(client.readyState).toBe(client.CLOSING); // it could still be read
    client.terminate();
    peer.terminate();
  });
});

/** V8 hands it out when it is asked to. */
function gc(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
