import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { z } from "zod";
import { messageOf } from "../../../shared/base/errors.ts";
import { joinResponse, type JoinRequest, type PodJoinRequest } from "../../../shared/protocol/join-messages.ts";
import type { JoinOutcome, JoinClient } from "../../ports/identity.ts";

const MAX_ANSWER_BYTES = 65_536;
const TIMEOUT_MS = 10_000;

const problem = z.object({ code: z.string().default("UNKNOWN"), detail: z.string().default("") });

interface Answered {
  readonly status: number;
  readonly retryAfterMs: number;
  readonly body: string;
}

/** `POST /api/v1/join` and `/api/v1/join/pod` over a connection that was checked against the pin first. */
export class HttpJoinClient implements JoinClient {
  readonly #server: string;
  readonly #connect: (url: URL, signal: AbortSignal) => Promise<Socket>;

  /** `server`: the control plane's http or https URL. */
  constructor(server: string, connect: (url: URL, signal: AbortSignal) => Promise<Socket>) {
    this.#server = server;
    this.#connect = connect;
  }

  async join(request: JoinRequest | PodJoinRequest, signal: AbortSignal): Promise<JoinOutcome> {
    const url = new URL("podToken" in request ? "/api/v1/join/pod" : "/api/v1/join", this.#server);
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      return judge(await this.#post(url, JSON.stringify(request), limited));
    } catch (error) {
      return { kind: "unavailable", detail: messageOf(error), retryAfterMs: 0 };
    }
  }

  async #post(url: URL, body: string, signal: AbortSignal): Promise<Answered> {
    const socket = await this.#connect(url, signal);
    const send = url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(url, {
        method: "POST",
        createConnection: () => socket,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), connection: "close" },
        signal,
      });
      request.on("error", reject);
      request.on("response", (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
          if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is over 64 KiB"));
        });
        response.on("error", reject);
        response.on("end", () => {
          const retryAfterMs = Number(response.headers["retry-after"] ?? 0) * 1_000;
          resolve({
            status: response.statusCode ?? 0,
            retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : 0,
            body: text,
          });
        });
      });
      request.end(body);
    });
  }
}

function judge({ status, retryAfterMs, body }: Answered): JoinOutcome {
  if (status === 201 || status === 200) {
    const parsed = joinResponse.safeParse(parseJson(body));
    return parsed.success
      ? { kind: "joined", response: parsed.data }
      : { kind: "refused", code: "INTERNAL", detail: "the control plane's answer does not have the form of a join" };
  }
  const { code, detail } = problem.safeParse(parseJson(body)).data ?? { code: `HTTP ${status}`, detail: "" };
  const isPassing = status === 429 || status === 408 || status >= 500;
  return isPassing
    ? { kind: "unavailable", detail: `${code} ${detail}`.trim(), retryAfterMs }
    : { kind: "refused", code, detail };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
