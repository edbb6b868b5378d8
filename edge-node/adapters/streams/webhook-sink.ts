import { readFile } from "node:fs/promises";
import { request as httpRequest, Agent as HttpAgent } from "node:http";
import { request as httpsRequest, Agent as HttpsAgent } from "node:https";
import { messageOf } from "../../../shared/base/errors.ts";
import type { Delivery, SinkOffer, StreamResult, StreamSink } from "../../ports/streams.ts";

export interface WebhookSetting {
  readonly url: string;
  /** A file with a token, sent as `Authorization: Bearer`. Read at each batch, so that it may be replaced. */
  readonly tokenFile: string | undefined;
  readonly timeoutMs: number;
}

/** Results under way at once: a receiver far away would otherwise take one for each round trip. */
const AT_ONCE = 4;
const BATCH = 64;
const MAX_RETRY_AFTER_MS = 300_000;

/** Statuses after which the same request may succeed. All other 4xx refuse the result for good. */
const LATER: ReadonlySet<number> = new Set([401, 403, 404, 407, 408, 421, 425, 429]);

/**
 * Posts each result with an `Idempotency-Key` that stays the same when it is posted again. A 2xx delivers it. 401, 403 and 404
 * are the receiver's configuration more often than the result's fault, so they are tried again like 5xx.
 */
export class WebhookSink implements SinkOffer {
  readonly #setting: WebhookSetting;

  constructor(setting: WebhookSetting) {
    this.#setting = setting;
  }

  open(): StreamSink {
    const agent = this.#setting.url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true, maxSockets: AT_ONCE })
      : new HttpAgent({ keepAlive: true, maxSockets: AT_ONCE });
    return {
      batchItems: BATCH,
      gatherMs: 0,
      keepsOrder: false,
      deliver: (results, signal) => this.#deliver(results, { agent, signal }),
      close: () => {
        agent.destroy();
        return Promise.resolve();
      },
    };
  }

  async #deliver(results: readonly StreamResult[], via: Via): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = [];
    let token: string | undefined;
    try {
      const { tokenFile } = this.#setting;
      token = tokenFile === undefined ? undefined : (await readFile(tokenFile, "utf8")).trim();
    } catch (error) {
      return results.map(() => ({
        kind: "later",
        why: `the token of the webhook cannot be read: ${messageOf(error)}`,
      }));
    }
    for (let at = 0; at < results.length; at += AT_ONCE) {
      const group = results.slice(at, at + AT_ONCE);
      deliveries.push(...(await Promise.all(group.map((result) => this.#post(result, token, via)))));
      // The receiver is away, or fails on these: the loop finds out which.
      if (deliveries.slice(at).some(({ kind }) => kind === "later")) break;
    }
    return deliveries;
  }

  #post(result: StreamResult, token: string | undefined, { agent, signal }: Via): Promise<Delivery> {
    const { url, timeoutMs } = this.#setting;
    const post = url.startsWith("https:") ? httpsRequest : httpRequest;
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": result.body.byteLength,
      "Idempotency-Key": result.idempotencyKey,
      ...(result.key !== "" && { "Skerry-Stream": encodeURIComponent(result.key) }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    };
    return new Promise((resolve) => {
      const later = (why: string): void => resolve({ kind: "later", why });
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const request = post(url, { method: "POST", headers, agent, signal: deadline }, (response) => {
        response.resume();
        response.on("error", () => undefined);
        resolve(verdictOn(response.statusCode ?? 0, response.headers["retry-after"]));
      });
      request.on("error", (error) => later(`the webhook does not answer: ${messageOf(error)}`));
      request.end(result.body);
    });
  }
}

interface Via {
  readonly agent: HttpAgent | HttpsAgent;
  readonly signal: AbortSignal;
}

function verdictOn(status: number, retryAfter: string | undefined): Delivery {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const why = `the webhook answers ${status}`;
  if (status >= 500 || status < 400 || LATER.has(status))
    return { kind: "later", why, retryAfterMs: waitOf(retryAfter) };
  return { kind: "refused", why };
}

function waitOf(retryAfter: string | undefined): number | undefined {
  const seconds = Number(retryAfter ?? Number.NaN);
  return seconds >= 0 ? Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS) : undefined;
}
