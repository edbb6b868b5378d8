import { createServer, type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { WebSocketServer } from "ws";
import { pinnedConnect } from "../../../../edge-node/adapters/system/pinned-connect.ts";
import { WebSocketDialer } from "../../../../edge-node/adapters/websocket/dialer.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { SUBPROTOCOL } from "../../../../shared/protocol/limits.ts";

const servers: WebSocketServer[] = [];
const opened: { close(code: number, reason: string): void; readonly closed: Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(
    opened.splice(0).map((channel) => {
      channel.close(1_000, "");
      return channel.closed;
    }),
  );
  for (const server of servers.splice(0)) {
    for (const client of server.clients) client.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
});

interface ControlPlane {
  readonly url: string;
  /** Those that were opened here. */
  readonly channels: string[];
}

/** Takes every channel whatever its proof, but those that it refuses with a code. */
async function aControlPlane(refusals: readonly number[] = []): Promise<ControlPlane> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => SUBPROTOCOL });
  servers.push(server);
  const channels: string[] = [];
  server.on("connection", (webSocket, request) => {
    channels.push(request.url?.split("/").at(-1) ?? "");
    webSocket.send(JSON.stringify({ type: "challenge", id: 1, nonce: "n".repeat(43), cpId: "cp-1", cpTime: "" }));
    webSocket.once("message", () => {
      const refusal = refusals[channels.length - 1];
      if (refusal !== undefined) return webSocket.close(refusal, "refused");
      webSocket.send(JSON.stringify({ type: "attached", id: 2, re: 1, epoch: 1 }));
    });
  });
  await new Promise((resolve) => server.once("listening", resolve));
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, channels };
}

/** An address on which nobody listens. */
async function nowhere(): Promise<string> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return `ws://127.0.0.1:${port}`;
}

function aDialer({ url }: ControlPlane, pin = "none") {
  const identity = {
    nodeId: "n-1",
    name: "cloud-a",
    kind: "cloud",
    site: "cloud",
    zone: "cloud",
    generation: 1,
    cpId: "cp-1",
    urls: [url],
    pin,
    publicKey: "",
    tokenId: undefined,
    isRemoved: false,
    sign: () => "s".repeat(86),
  } as const;
  const connect = (target: URL, signal: AbortSignal) => pinnedConnect({ pin, isNetworkTrusted: false }, target, signal);
  const dialer = new WebSocketDialer({ identity, agentVersion: "0.1.0", connect, clock: systemClock });
  const handlers = { onRequest: () => undefined, onCancel: () => undefined };
  return {
    async inference(own: string | undefined) {
      const session = { epoch: 1, replica: "r-1", url: own, streamsResponses: true };
      opened.push(await dialer.inference(session, handlers, new AbortController().signal));
    },
    async transfer(own: string | undefined) {
      const session = { epoch: 1, replica: "r-1", url: own, ticket: "t".repeat(43) };
      opened.push(await dialer.transfer(session, () => Promise.resolve(), new AbortController().signal));
    },
  };
}

describe("the address that a control plane has itself", () => {
  it("is where a node dials its inference and transfer channels", async () => {
    const [balanced, itself] = [await aControlPlane(), await aControlPlane()];
    const dialer = aDialer(balanced);
    await dialer.inference(itself.url);
    await dialer.transfer(itself.url);
    expect([balanced.channels, itself.channels]).toEqual([[], ["inference", "transfer"]]);
  });

  it("is given up where it cannot be reached, for the address that all have", async () => {
    const balanced = await aControlPlane();
    const dialer = aDialer(balanced);
    const own = await nowhere();
    await dialer.inference(own);
    await dialer.transfer(own);
    expect(balanced.channels).toEqual(["inference", "transfer"]);
  });

  it.each([4403, 4411])("is dialled again after a refusal with %d, which is not asked for elsewhere", async (code) => {
    const [balanced, itself] = [await aControlPlane(), await aControlPlane([code])];
    const dialer = aDialer(balanced);
    await expect(dialer.transfer(itself.url)).rejects.toThrow(String(code));
    await dialer.transfer(itself.url);
    expect([balanced.channels, itself.channels]).toEqual([[], ["transfer", "transfer"]]);
  });

  it("is not dialled without TLS when the join token pins a key", async () => {
    const [balanced, itself] = [await aControlPlane(), await aControlPlane()];
    await expect(aDialer(balanced, "p".repeat(43)).inference(itself.url)).rejects.toThrow("without TLS");
    expect([balanced.channels, itself.channels]).toEqual([[], []]);
  });

  it("need not be known", async () => {
    const balanced = await aControlPlane();
    await aDialer(balanced).inference(undefined);
    expect(balanced.channels).toEqual(["inference"]);
  });
});
