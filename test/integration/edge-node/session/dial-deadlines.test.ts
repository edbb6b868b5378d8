import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { openChannel } from "../../../../edge-node/adapters/websocket/open-channel.ts";
import { pinnedConnect } from "../../../../edge-node/adapters/system/pinned-connect.ts";
import { TestClock } from "../../../support/test-clock.ts";

const identity = {
  nodeId: "n-1",
  name: "edge-a",
  kind: "edge",
  site: "s",
  zone: "z",
  generation: 1,
  cpId: "cp-1",
  urls: [],
  pin: "none",
  publicKey: "",
  tokenId: undefined,
  isRemoved: false,
  sign: () => "s".repeat(86),
} as const;

let server: Server;
let clock: TestClock;
const sockets: Socket[] = [];

beforeEach(async () => {
  clock = new TestClock();
  server = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** The reason of the refusal; undefined while it is waited for. */
function dial(over: { readonly upgradeMs?: number } = {}): () => string | undefined {
  let reason: string | undefined;
  void openChannel(
    {
      channel: "control",
      url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
      identity,
      replica: undefined,
      connect: (url, signal) => pinnedConnect({ pin: "none", isNetworkTrusted: false }, url, signal),
      clock,
      signal: new AbortController().signal,
      ...over,
    },
    () => ({}),
  ).catch((error: { readonly closed: { readonly reason: string } }) => (reason = error.closed.reason));
  return () => reason;
}

/** Resolves when the control plane has the upgrade. */
const asked = (): Promise<void> =>
  new Promise((resolve) => server.once("connection", (socket: Socket) => socket.once("data", () => resolve())));

describe("a node at a control plane that takes its connection and does not answer", () => {
  it("waits for its turn there, for 20 s", async () => {
    const arrived = asked();
    const reason = dial();
    await arrived;
    await clock.advance(19_999);
    expect(reason()).toBeUndefined();
    await clock.advance(1);
    expect(reason()).toBe("no connection within 20 s");
  });

  it("waits no longer than it should where there is another way", async () => {
    const arrived = asked();
    const reason = dial({ upgradeMs: 2_000 });
    await arrived;
    await clock.advance(2_000);
    expect(reason()).toBe("no connection within 2 s");
  });
});
