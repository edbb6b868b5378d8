import { randomBytes } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import { chunksInBitmap, PushProgress } from "../../../control-plane/core/transfer/push-progress.ts";
import { bytesOf } from "../../../edge-node/adapters/websocket/parse-message.ts";
import { manifestBytes } from "../../../shared/protocol/model-files/manifest.ts";
import { transferMessage, type TransferMessage } from "../../../shared/protocol/messages/transfer-messages.ts";
import { encodeTransferHeader, TRANSFER_FRAME } from "../../../shared/protocol/frames/transfer-frame.ts";
import type { ArtifactFixture } from "../models/artifact-fixture.ts";

export interface PushRule {
  /** Destroys the socket at once. */
  readonly refuses?: boolean;
  /** Sends the manifest, and nothing of what the node needs. */
  readonly stalls?: boolean;
  /** Destroys the socket when so many payload bytes were sent. */
  readonly cutAfterBytes?: number;
  /** May change the payload of a chunk before it is sent. */
  readonly damage?: (chunk: number, payload: Uint8Array) => void;
}

const MAX_PAYLOAD = 1_048_576;

/** One transfer's sender, with the control plane's own arithmetic of credit, and mishaps on demand. */
export class FakePush {
  readonly fixture: ArtifactFixture;
  readonly transferId: string;
  readonly ticket = randomBytes(32).toString("base64url");
  /** The node, or the end of its session, has ended it. */
  isOver = false;
  readonly needs: Extract<TransferMessage, { type: "need" }>[] = [];
  readonly #progress = new PushProgress(MAX_PAYLOAD);
  readonly #rule: PushRule;
  #webSocket: WebSocket | undefined;
  #isSending = false;

  /** Takes the first of `rules`, if there is one. */
  constructor(fixture: ArtifactFixture, transferId: string, rules: PushRule[]) {
    this.fixture = fixture;
    this.transferId = transferId;
    this.#rule = rules.shift() ?? {};
  }

  get isUsed(): boolean {
    return this.#webSocket !== undefined;
  }

  /** Payload bytes that were sent. */
  get sentBytes(): number {
    return this.#progress.totalSent;
  }

  begin(webSocket: WebSocket): void {
    this.#webSocket = webSocket;
    if (this.#rule.refuses === true) return webSocket.terminate();
    const manifest = Buffer.from(manifestBytes(this.fixture.manifest));
    const header = encodeTransferHeader({ type: TRANSFER_FRAME.MANIFEST, end: true, chunk: 0, offset: 0 });
    webSocket.send(Buffer.concat([header, manifest]));
    webSocket.on("message", (data: RawData) => {
      const message = transferMessage.parse(JSON.parse(bytesOf(data).toString("utf8")));
      if (message.type === "credit") this.#progress.credit(message.durable, message.window);
      else this.#need(message);
      void this.#send();
    });
  }

  #need(need: Extract<TransferMessage, { type: "need" }>): void {
    this.needs.push(need);
    const missing = chunksInBitmap(Buffer.from(need.chunks, "base64url"), this.fixture.chunks);
    if (!missing) throw new Error("need names chunks that do not exist");
    this.#progress.begin(missing, need.partial, need.window);
  }

  async #send(): Promise<void> {
    const webSocket = this.#webSocket;
    if (this.#isSending || !webSocket || this.#rule.stalls === true) return;
    this.#isSending = true;
    for (let frame = this.#progress.next(); frame; frame = this.#progress.next()) {
      const { chunk, offset, length, end } = frame;
      const start = chunk.offset + offset;
      const payload = Buffer.from(this.fixture.bytes.subarray(start, start + length));
      this.#rule.damage?.(chunk.index, payload);
      const header = encodeTransferHeader({ type: TRANSFER_FRAME.CHUNK, end, chunk: chunk.index, offset });
      await new Promise<void>((resolve) => webSocket.send(Buffer.concat([header, payload]), () => resolve()));
      const { cutAfterBytes } = this.#rule;
      if (cutAfterBytes !== undefined && this.#progress.totalSent >= cutAfterBytes) {
        webSocket.terminate();
        break;
      }
    }
    this.#isSending = false;
  }
}
