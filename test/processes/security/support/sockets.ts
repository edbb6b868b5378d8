import { WebSocket } from "ws";
import { channelPath, type Channel, SUBPROTOCOL } from "../../../../shared/protocol/limits.ts";
import { PEER_PATH, PEER_SUBPROTOCOL } from "../../../../shared/protocol/peers.ts";
import { sessionProofText } from "../../../../shared/protocol/proofs.ts";
import type { HostileNode } from "../../../support/fakes/hostile-node.ts";

const QUIET_MS = 400;
const capabilities = {
  arch: "x64",
  os: "linux",
  cpus: 1,
  memMiB: 1,
  diskMiB: 1,
  runtime: "none",
  maxOpset: 1,
  maxIrVersion: 1,
  providers: [],
};

/** What becomes of a socket that a page opens: the status of its refusal, or `open`. */
export function openFromPage(port: number, where: Channel | "peer"): Promise<string> {
  const [path, protocol] = where === "peer" ? [PEER_PATH, PEER_SUBPROTOCOL] : [channelPath(where), SUBPROTOCOL];
  const headers = { Origin: "https://evil.example", "Skerry-Node-Id": "n-1", "Skerry-Replica": "r-1" };
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [protocol], { headers, perMessageDeflate: false });
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("unexpected-response", (_request, { statusCode = 0 }) => resolve(String(statusCode)));
    socket.once("open", () => resolve("open"));
  });
}

/** What a thief has: the answer of a node to a challenge, word for word. */
export interface Recording {
  readonly signature: string;
}

/**
 * Opens a control channel. With `replayed` it sends that answer in place of its own. Resolves with the close code, or `open`,
 * and with the answer that it sent.
 */
export function openControl(
  port: number,
  { identity }: HostileNode,
  replayed?: Recording,
): Promise<{ readonly became: string; readonly recording: Recording }> {
  const { nodeId, generation, cpId } = identity;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${channelPath("control")}`, [SUBPROTOCOL], {
    headers: { "Skerry-Node-Id": nodeId },
    perMessageDeflate: false,
  });
  socket.on("error", () => undefined);
  let recording: Recording = { signature: "" };
  return new Promise((resolve) => {
    const end = (became: string): void => {
      resolve({ became, recording });
      socket.terminate();
    };
    socket.once("close", (code) => end(String(code)));
    socket.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString("utf8"));
      if (message.type === "welcome") return setTimeout(() => end("open"), QUIET_MS);
      if (message.type !== "challenge") return undefined;
      const text = sessionProofText({ cpId, channel: "control", nodeId, generation, nonce: message.nonce });
      recording = replayed ?? { signature: identity.sign(text) };
      const hello = {
        type: "hello",
        id: 1,
        re: 1,
        nodeId,
        generation,
        ...recording,
        bootId: "b-1",
        agentVersion: "0.1.0",
        features: [],
        clock: "",
        capabilities,
        lastEpoch: 0,
        desired: { rev: 0, digest: `sha256:${"0".repeat(64)}` },
        placements: [],
      };
      return socket.send(JSON.stringify(hello));
    });
  });
}
