import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { requestIdFrom } from "../../../../shared/base/request-id.ts";
import { inferenceError } from "../../../../shared/inference/http/error-response.ts";
import { isInferenceProtocol, pathOf } from "../../../../shared/inference/http/path.ts";
import { problemResponse } from "./problem.ts";
import { sendError } from "./send.ts";

/**
 * How long they wait for the end of the start, in ms: callers give up on their own not much later. A node waits for 20 s, and
 * one that is refused makes its TLS handshake again.
 */
const HOLD_MS = { requests: 10_000, upgrades: 15_000 } as const;
/** Requests that wait at once, of each kind. One holds the 64 KiB of its body at most that Node reads ahead. */
const MAX_HELD = { requests: 1_024, upgrades: 8_192 } as const;

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Takes the nodes' sockets. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface Held {
  /** Hands it over, unless its caller has gone. */
  readonly release: () => void;
  readonly cancel: () => void;
}

/**
 * What arrives while the program loads and reads its database. Requests and upgrades wait for `release`, for 10 and 15 s at most;
 * probes are answered: the process lives, and is not ready.
 */
export class EarlyRequests {
  readonly #clock: Clock;
  readonly #requests = new Set<Held>();
  readonly #upgrades = new Set<Held>();
  #serve: Handler | undefined;
  #upgrade: UpgradeHandler | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on nothing waits, and what does is handed over in the order of its arrival. */
  release(serve: Handler, upgrade: UpgradeHandler): void {
    this.#serve = serve;
    this.#upgrade = upgrade;
    for (const held of [...this.#upgrades, ...this.#requests]) {
      held.cancel();
      held.release();
    }
    this.#upgrades.clear();
    this.#requests.clear();
  }

  readonly onRequest: Handler = (request, response) => {
    if (this.#serve) return this.#serve(request, response);
    const path = pathOf(request);
    if (path === "/livez") return sendJson(response, 200, { live: true });
    if (path === "/readyz") return sendJson(response, 503, { ready: false, reasons: ["starting"] });
    if (this.#requests.size >= MAX_HELD.requests) return refuse(request, response);
    this.#hold("requests", {
      release: () => {
        if (!response.destroyed) this.#serve?.(request, response);
      },
      late: () => refuse(request, response),
      onGone: (listener) => response.once("close", listener),
    });
  };

  readonly onUpgrade: UpgradeHandler = (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    if (this.#upgrade) return this.#upgrade(request, socket, head);
    const late = (): void =>
      void socket.end(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      );
    if (this.#upgrades.size >= MAX_HELD.upgrades) return late();
    this.#hold("upgrades", {
      release: () => {
        if (!socket.destroyed) this.#upgrade?.(request, socket, head);
      },
      late,
      onGone: (listener) => socket.once("close", listener),
    });
  };

  #hold(
    kind: keyof typeof HOLD_MS,
    of: { readonly release: () => void; readonly late: () => void; readonly onGone: (listener: () => void) => unknown },
  ): void {
    const held = kind === "requests" ? this.#requests : this.#upgrades;
    const cancelTimer = this.#clock.after(HOLD_MS[kind], () => {
      held.delete(entry);
      of.late();
    });
    const entry: Held = { release: of.release, cancel: cancelTimer };
    held.add(entry);
    of.onGone(() => {
      cancelTimer();
      held.delete(entry);
    });
  }
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const requestId = requestIdFrom(request.headers["x-request-id"]);
  const error = new SkerryError("STARTING", "this control plane has not started yet");
  response.setHeader("X-Request-Id", requestId);
  sendError(response, isInferenceProtocol(pathOf(request)) ? inferenceError(error) : problemResponse(error, requestId));
}

const sendJson = (response: ServerResponse, status: number, body: object): void =>
  sendError(response, { status, body, headers: { "Content-Type": "application/json", "Cache-Control": "no-store" } });
