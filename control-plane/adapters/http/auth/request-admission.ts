import type { Request } from "express";
import type { Clock } from "../../../../shared/base/clock.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import { TokenBuckets } from "../../../../shared/flow/token-buckets.ts";
import { isInferenceProtocol } from "../../../../shared/inference/http/path.ts";
import type { Caller } from "../../../app/access/api-keys.ts";
import type { Resource } from "../../../core/access/decide.ts";
import type { Metrics } from "../../../ports/metrics.ts";
import { addressOf, isLocal } from "../server/exchange.ts";
import type { Limits } from "../server/limits.ts";
import { type Route, unknownModel } from "../server/route.ts";
import type { Authenticator } from "./authenticator.ts";
import { authorize } from "./authorize.ts";

export interface RequestAdmissionParts {
  readonly authenticator: Authenticator;
  /** The model of a deployment; undefined: there is no such deployment. */
  readonly modelOf: (deployment: string) => string | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly trustedProxies: number;
}

/** Who may ask a route of the table, and how often: key, role, and the rates of keys and of addresses without one. */
export class RequestAdmission {
  readonly #parts: RequestAdmissionParts;
  readonly #requests: TokenBuckets;
  readonly #credentials: TokenBuckets;
  readonly #strangers: TokenBuckets;
  /** By key, while bytes come. */
  readonly #uploads = new Map<string, number>();

  constructor(parts: RequestAdmissionParts) {
    const { limits, clock } = parts;
    this.#parts = parts;
    this.#requests = new TokenBuckets(limits.requestsPerKey, clock);
    this.#credentials = new TokenBuckets(limits.credentialsPerKey, clock);
    this.#strangers = new TokenBuckets(limits.requestsPerStranger, clock);
  }

  /** The caller; undefined where the route needs none. Throws `SkerryError` when it may not ask, or not yet. */
  async admit(route: Route, request: Request): Promise<Caller | undefined> {
    const { authenticator, metrics, trustedProxies } = this.#parts;
    const address = addressOf(request, trustedProxies);
    if (route.access === "public" && route.path.startsWith("/api/v1/")) this.#admitStranger(address);
    if (route.access === "public" || (route.isOpenOnLoopback && isLocal(request))) return undefined;
    const caller = await authenticator.authenticateRequest(request, address);
    const resource = this.#resourceOf(request.params);
    authorize(caller, route.access, {
      what: `${route.method} ${route.path}`,
      resource,
      ...(resource?.kind === "model" &&
        isInferenceProtocol(route.path) && { unknown: () => unknownModel(resource.name) }),
    });
    if (!this.#requests.take(caller.keyId)) {
      metrics.limitReached("requests");
      throw new SkerryError("RATE_LIMITED", `key ${caller.name} sends too many requests`, {
        retryAfterMs: this.#requests.waitMs(caller.keyId),
      });
    }
    if (route.answersSecret && !this.#credentials.take(caller.keyId)) {
      metrics.limitReached("credentials");
      throw new SkerryError("RATE_LIMITED", `key ${caller.name} makes too many keys and tokens`, {
        retryAfterMs: this.#credentials.waitMs(caller.keyId),
      });
    }
    return caller;
  }

  /** Each upload holds a file open, and a share of the disk's time: one key must not have them all. Throws `RATE_LIMITED`. */
  async upload<Result>({ keyId, name }: Caller, send: () => Promise<Result>): Promise<Result> {
    const running = this.#uploads.get(keyId) ?? 0;
    if (running >= this.#parts.limits.uploadsPerKey) {
      this.#parts.metrics.limitReached("uploads");
      throw new SkerryError("RATE_LIMITED", `${running} uploads of key ${name} are under way`, { retryAfterMs: 1_000 });
    }
    this.#uploads.set(keyId, running + 1);
    try {
      return await send();
    } finally {
      const left = (this.#uploads.get(keyId) ?? 1) - 1;
      if (left === 0) this.#uploads.delete(keyId);
      else this.#uploads.set(keyId, left);
    }
  }

  /** A request without a key may cost a query of PostgreSQL or a question to the identity provider. Probes cost nothing. */
  #admitStranger(address: string): void {
    if (this.#strangers.take(address)) return;
    this.#parts.metrics.limitReached("strangers");
    throw new SkerryError("RATE_LIMITED", "too many requests without a key came from this address", {
      retryAfterMs: this.#strangers.waitMs(address),
    });
  }

  /** What the path names, of the objects that have a scope. */
  #resourceOf({ model, deployment }: Request["params"]): Resource | undefined {
    if (typeof model === "string") return { kind: "model", name: model };
    if (typeof deployment !== "string") return undefined;
    return { kind: "deployment", name: deployment, model: this.#parts.modelOf(deployment) };
  }
}
