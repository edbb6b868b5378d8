import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Clock } from "../../../../shared/base/clock.ts";
import { isSkerryError, messageOf } from "../../../../shared/base/errors.ts";
import type { NodeId } from "../../../../shared/base/ids.ts";
import type { Logger } from "../../../../shared/base/logging/logger.ts";
import { CLOSE, type CloseCode } from "../../../../shared/protocol/close-codes.ts";
import { AUTHENTICATION_DEADLINE_MS, type Channel } from "../../../../shared/protocol/limits.ts";
import {
  attach as attachSchema,
  hello as helloSchema,
  type Attach,
  type Hello,
} from "../../../../shared/protocol/messages/node-messages.ts";
import { sessionProofText } from "../../../../shared/protocol/proofs.ts";
import type { Keys } from "../../../ports/access/keys.ts";
import type { NodeIdentityRow } from "../../../ports/nodes/nodes.ts";
import type { ControlChannel, NodeSessionHandler } from "../../../ports/nodes/channels.ts";
import { WebSocketControlChannel, sendJson } from "../control-channel.ts";
import { WebSocketInferenceChannel } from "../inference-channel.ts";
import { parseMessage } from "../parse-message.ts";
import type { PeerTls } from "../peers/peer-tls.ts";
import { WebSocketTransferChannel } from "../transfer-channel.ts";

export interface NodeChannelsOptions {
  readonly sessions: NodeSessionHandler;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cpId: string;
  /** Proxies in front that add to `X-Forwarded-For`; 0: it is not believed. */
  readonly trustedProxies: number;
  /** The id of this control plane. */
  readonly replica: string;
  /**
   * Where the control plane `replica`, which the node says holds its session, is dialled; undefined: it is not there, cannot
   * be dialled, or there is no such node. Rejects while PostgreSQL is away.
   */
  readonly urlOfHolder: (nodeId: string, replica: string) => Promise<string | undefined>;
  /** How it is verified there; left out: by its address and the authorities of the machine. */
  readonly tls?: PeerTls;
  /** This side ended a socket of a node, for the reason of this name (`counted-socket.ts`). */
  readonly onEnded?: (reason: string) => void;
}

interface HandshakeContext extends NodeChannelsOptions {
  readonly channel: Channel;
  /** The TCP or TLS socket below. */
  readonly socket: Duplex;
  /** Where it comes from, for people: with its port where no proxy hides it. */
  readonly origin: string;
  readonly nodeId: string;
  readonly identity: NodeIdentityRow;
  /** Called when the socket is no longer waited for: it answered, or it is closed. */
  readonly onAnswered: () => void;
  /** Runs what asks PostgreSQL when it is this address's turn. */
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

/**
 * The handshake of every channel: our nonce, its signature, then the session. The nonce lives in this call alone, so a
 * recorded signature is worth nothing on another socket. Closes 4401 on a bad proof, 4408 after 5 s, 4400 on nonsense.
 */
export async function authenticate(webSocket: WebSocket, context: HandshakeContext): Promise<void> {
  webSocket.on("error", () => undefined); // ws closes by itself; without a listener the process would end
  const { keys, cpId, clock, channel } = context;
  const nonce = keys.secret();
  sendJson(webSocket, { type: "challenge", id: 1, nonce, cpId, cpTime: new Date(clock.wallNow()).toISOString() });
  const data = await firstMessage(webSocket, clock);
  context.onAnswered();
  if (data === undefined) return;
  const answer = channel === "control" ? parseMessage(helloSchema, data) : parseMessage(attachSchema, data);
  if (!answer) return refuse(webSocket, CLOSE.INVALID_MESSAGE, "the first message was not the answer to the challenge");
  if (!hasValidProof(answer, nonce, context))
    return refuse(webSocket, CLOSE.BAD_PROOF, "the signature or the identity does not hold");
  try {
    if (answer.type === "hello") await openControl(webSocket, answer, context);
    else openData(webSocket, answer, context);
  } catch (error) {
    refuse(webSocket, closeCodeOf(error), messageOf(error).slice(0, 120));
  }
}

/** A paused socket would never read that the other side has closed too: that one would wait until its deadline. */
export function refuse(webSocket: WebSocket, code: CloseCode, reason: string): void {
  webSocket.resume();
  webSocket.close(code, reason);
}

function closeCodeOf(error: unknown): CloseCode {
  if (!isSkerryError(error)) return CLOSE.CAPACITY;
  if (error.code === "UNAUTHENTICATED") return CLOSE.BAD_PROOF;
  if (error.code === "NODE_WAITING") return CLOSE.WAITING;
  return error.code === "CONFLICT" ? CLOSE.NEWER_SESSION : CLOSE.CAPACITY;
}

function hasValidProof(
  answer: Hello | Attach,
  nonce: string,
  { nodeId, identity, keys, cpId, channel }: HandshakeContext,
): boolean {
  if (answer.nodeId !== nodeId || answer.generation !== identity.generation) return false;
  const text = sessionProofText({ cpId, channel, nodeId, generation: answer.generation, nonce });
  const { publicKey, previousKey } = identity;
  if (keys.verify(publicKey, text, answer.signature)) return true;
  return typeof previousKey === "string" && keys.verify(previousKey, text, answer.signature);
}

async function openControl(webSocket: WebSocket, hello: Hello, context: HandshakeContext): Promise<void> {
  const { sessions, clock, logger } = context;
  let socket: WebSocketControlChannel | undefined;
  const connect = (epoch: number): ControlChannel =>
    (socket = new WebSocketControlChannel(webSocket, { below: context.socket, epoch, clock, logger }));
  const session = await context.inTurn(() =>
    sessions.openControl(hello, context.nodeId as NodeId, {
      address: context.origin,
      identity: context.identity,
      connect,
    }),
  );
  if (!socket) throw new Error("the handler opened no control channel");
  session.started(socket.send({ ...session.welcome, re: hello.id }));
  socket.listen(session);
}

function openData(webSocket: WebSocket, attach: Attach, context: HandshakeContext): void {
  const { sessions, clock, channel } = context;
  const nodeId = context.nodeId as NodeId;
  const epoch = attach.epoch ?? 0;
  const attached = { type: "attached", id: 2, re: attach.id, epoch } as const;
  if (channel === "inference") {
    const socket = new WebSocketInferenceChannel(webSocket, { below: context.socket, clock });
    const session = sessions.openInference(nodeId, epoch, socket);
    if (!session) return refuse(webSocket, CLOSE.SESSION_ENDED, "not the present session");
    sendJson(webSocket, attached);
    return socket.listen(session);
  }
  const redeem = sessions.openTransfer(nodeId, epoch, attach.ticket ?? "");
  if (!redeem) return refuse(webSocket, CLOSE.NOT_YOURS, "the ticket is unknown, used or expired");
  sendJson(webSocket, attached);
  const socket = new WebSocketTransferChannel(webSocket, { below: context.socket, clock });
  socket.listen(redeem(socket));
}

/** Undefined when the socket closed or the time ran out: then it is closed already. Pauses the socket behind the message. */
export function firstMessage(webSocket: WebSocket, clock: Clock): Promise<RawData | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(AUTHENTICATION_DEADLINE_MS, () => {
      webSocket.close(CLOSE.TOO_SLOW, "no answer to the challenge");
      done(undefined);
    });
    const onClose = (): void => done(undefined);
    const onMessage = (data: RawData): void => {
      webSocket.pause(); // the next message waits for the session's own listener
      done(data);
    };
    const done = (data: RawData | undefined): void => {
      cancel();
      webSocket.off("message", onMessage);
      webSocket.off("close", onClose);
      resolve(data);
    };
    webSocket.once("message", onMessage);
    webSocket.once("close", onClose);
  });
}
