import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import { keys } from "../../../control-plane/adapters/system/ed25519.ts";
import { bytesOf } from "../../../edge-node/adapters/websocket/parse-message.ts";
import { digestOf } from "../../../shared/base/digest.ts";
import { CHANNELS, channelPath, CONTROL_RATE, SUBPROTOCOL, type Channel } from "../../../shared/protocol/limits.ts";
import {
  attach,
  hello,
  nodeMessage,
  type Attach,
  type Hello,
  type NodeMessage,
} from "../../../shared/protocol/messages/node-messages.ts";
import { joinRequest } from "../../../shared/protocol/join-messages.ts";
import { joinProofText, sessionProofText } from "../../../shared/protocol/proofs.ts";
import { TokenBucket } from "../../../shared/flow/token-bucket.ts";
import { FakeNodeSession, type FakeTimings } from "./fake-node-session.ts";
import { FakePush, type PushRule } from "./fake-push.ts";
import type { ArtifactFixture } from "../models/artifact-fixture.ts";

const CP_ID = "cp-test";
const JOIN_SECRET = "s".repeat(43);
export const JOIN_TOKEN = `skj1.none.none.${"t".repeat(16)}.${JOIN_SECRET}`;

/**
 * The control plane's end of the node protocol, small but true: real HTTP, real ws sockets, real frames, signatures
 * checked. It decides nothing; a test tells it what to say and reads what it heard.
 */
export class FakeControlPlane {
  readonly artifacts = new Map<string, ArtifactFixture>();
  readonly sessions: FakeNodeSession[] = [];
  readonly pushes: FakePush[] = [];
  readonly timings: FakeTimings = { heartbeatMs: 5_000, loadMs: 1_000, suspectMs: 15_000 };
  /** Called with every new session before it hears anything. */
  onSession: (session: FakeNodeSession) => void = () => undefined;
  /** Answers with this instead of the usual one, when set: `[status, Retry-After]`. */
  refuseUpgrades: readonly [number, string?] | undefined;
  refuseJoins: readonly [status: number, code: string][] = [];
  joins = 0;
  publicKey = "";
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 1_048_640,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  readonly #open = new Set<Duplex>();
  #epoch = 0;

  private constructor() {
    this.#server = createServer(
      (request, response) =>
        void this.#http(request).then(([status, body]) => {
          response.writeHead(status, { "content-type": "application/json" });
          response.end(JSON.stringify(body));
        }),
    );
    this.#server.on("connection", (socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
  }

  static async start(port = 0): Promise<FakeControlPlane> {
    const fake = new FakeControlPlane();
    await fake.listen(port);
    return fake;
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The newest control session whose socket is open. */
  get session(): FakeNodeSession | undefined {
    return this.sessions.findLast(({ isOpen }) => isOpen);
  }

  add(artifact: ArtifactFixture): void {
    this.artifacts.set(artifact.artifact, artifact);
  }

  /** Cuts every connection, as a dead machine would. */
  cutAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #http(request: IncomingMessage): Promise<[number, unknown]> {
    this.joins += 1;
    const [status, code] = this.refuseJoins[this.joins - 1] ?? [];
    if (status !== undefined) return [status, { code, detail: "as the test wished" }];
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += part;
    const join = joinRequest.parse(JSON.parse(text));
    const secretHashHex = digestOf(join.secret).slice("sha256:".length);
    const proof = joinProofText({ tokenId: join.tokenId, secretHashHex, publicKey: join.publicKey, name: join.name });
    if (join.secret !== JOIN_SECRET || !keys.verify(join.publicKey, proof, join.proof))
      return [401, { code: "JOIN_REFUSED", detail: "" }];
    this.publicKey = join.publicKey;
    const urls = [`ws://127.0.0.1:${this.port}`];
    return [201, { nodeId: "n-1", generation: 1, cpId: CP_ID, kind: join.kind, site: "north", zone: "a", urls }];
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => undefined);
    const channel = CHANNELS.find((each) => channelPath(each) === request.url);
    if (this.refuseUpgrades || !channel || request.headers["origin"] !== undefined) {
      const [status, retryAfter = "0"] = this.refuseUpgrades ?? [403];
      socket.end(`HTTP/1.1 ${status} No\r\nRetry-After: ${retryAfter}\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => void this.#authenticate(webSocket, channel));
  }

  async #authenticate(webSocket: WebSocket, channel: Channel): Promise<void> {
    webSocket.on("error", () => undefined);
    const nonce = randomBytes(32).toString("base64url");
    webSocket.send(JSON.stringify({ type: "challenge", id: 1, nonce, cpId: CP_ID, cpTime: "2026-01-01T00:00:00Z" }));
    const data = await new Promise<RawData | undefined>((resolve) => {
      webSocket.once("message", (message: RawData) => {
        webSocket.pause();
        resolve(message);
      });
      webSocket.once("close", () => resolve(undefined));
    });
    if (data === undefined) return;
    const schema = channel === "control" ? hello : attach;
    const answer: Hello | Attach = schema.parse(JSON.parse(bytesOf(data).toString("utf8")));
    const { nodeId, generation } = answer;
    const text = sessionProofText({ cpId: CP_ID, channel, nodeId, generation, nonce });
    if (!keys.verify(this.publicKey, text, answer.signature)) return webSocket.close(4401, "bad proof");
    if (answer.type === "hello") this.#openControl(webSocket, answer);
    else this.#openData(webSocket, channel, answer);
  }

  #openControl(webSocket: WebSocket, message: Hello): void {
    for (const older of this.sessions) if (older.isOpen) older.close(4409, "newer session");
    this.#epoch = Math.max(this.#epoch, message.lastEpoch) + 1;
    const session = new FakeNodeSession(webSocket, { hello: message, epoch: this.#epoch, timings: this.timings });
    for (const push of this.pushes) push.isOver = true;
    this.onSession(session);
    this.sessions.push(session);
    const messages = new TokenBucket(CONTROL_RATE, performance.now());
    webSocket.on("message", (data: RawData) => {
      if (!messages.take(performance.now())) return session.close(4429, "too many messages");
      const news = nodeMessage.parse(JSON.parse(bytesOf(data).toString("utf8")));
      session.receive(news);
      if (news.type.startsWith("transfer.")) this.#onTransferNews(session, news);
      else if (news.type === "placement.status") this.#offerNext(session);
    });
    webSocket.resume();
  }

  #onTransferNews(session: FakeNodeSession, news: NodeMessage): void {
    if (!("transferId" in news) || news.type === "transfer.accept") return;
    const push = this.pushes.find(({ transferId }) => transferId === news.transferId);
    if (!push) return;
    const goOn = (): void => {
      push.isOver = true;
      this.#offerNext(session);
    };
    if (news.type === "transfer.done") session.holds(push.fixture.artifact);
    if (news.type === "transfer.resume" && news.retryMs > 0) setTimeout(goOn, news.retryMs);
    else goOn();
  }

  /** One transfer at a time, for the placements that the node called `offered`. */
  #offerNext(session: FakeNodeSession): void {
    const { lacking } = session;
    if (lacking === undefined || !session.isOpen || this.pushes.some(({ isOver }) => !isOver)) return;
    this.offer(session, lacking);
  }

  #openData(webSocket: WebSocket, channel: Channel, message: Attach): void {
    const session = this.sessions.find(({ epoch, isOpen }) => isOpen && epoch === message.epoch);
    if (!session) return webSocket.close(4411, "no such session");
    const attached = JSON.stringify({ type: "attached", id: 2, re: message.id, epoch: session.epoch });
    if (channel === "inference") {
      webSocket.send(attached);
      session.attachInference(webSocket);
    } else {
      const push = this.pushes.find(({ ticket, isUsed }) => ticket === message.ticket && !isUsed);
      if (!push) return webSocket.close(4403, "no such ticket");
      webSocket.send(attached);
      push.begin(webSocket);
    }
    webSocket.resume();
  }

  /** Offers an artifact to a session. Returns the push that a redeemed ticket starts. */
  offer(session: FakeNodeSession, artifact: string, placements = session.placementsOf(artifact)): FakePush {
    const fixture = this.artifacts.get(artifact);
    if (!fixture) throw new Error(`the test never added ${artifact}`);
    const push = new FakePush(fixture, `t-${this.pushes.length + 1}`, this.pushRules);
    this.pushes.push(push);
    session.send({
      type: "transfer.offer",
      transferId: push.transferId,
      artifact: fixture.artifact,
      placements,
      bytes: fixture.bytes.byteLength,
      priority: 0,
      ticket: push.ticket,
      ticketMs: 60_000,
    });
    return push;
  }

  /** Mishaps of the next pushes, taken one by one. */
  readonly pushRules: PushRule[] = [];
}
