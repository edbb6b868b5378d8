import { describe, expect, it } from "@jest/globals";
import { KeyQuotas } from "../../../../../control-plane/adapters/http/auth/key-quotas.ts";
import type { KeyLimits } from "../../../../../shared/api/v1/access/keys.ts";
import { TestClock } from "../../../../support/test-clock.ts";

function someQuotas() {
  const clock = new TestClock();
  const reached: string[] = [];
  const quotas = new KeyQuotas({ clock, metrics: { limitReached: (limit) => void reached.push(limit) } });
  const key = (keyId: string, limits: Partial<KeyLimits>) => ({
    keyId,
    name: keyId,
    limits: { requestsPerMinute: null, concurrency: null, tokensPerMinute: null, ...limits },
  });
  return { clock, quotas, reached, key };
}

describe("the limits of a key", () => {
  it("let so many requests through in a minute, then say when the next may come", async () => {
    const { clock, quotas, reached, key } = someQuotas();
    const app = key("app", { requestsPerMinute: 60 });
    for (let n = 0; n < 60; n += 1) quotas.takeRequest(app);
    expect(() => quotas.takeRequest(app)).toThrow("key app may send 60 requests a minute");
    expect(() => quotas.takeRequest(app)).toThrow(
      expect.objectContaining({ code: "RATE_LIMITED", retryAfterMs: 1_000 }),
    );
    expect(reached).toEqual(["requests", "requests"]);
    quotas.takeRequest(key("other", { requestsPerMinute: 60 }));
    await clock.advance(1_000);
    quotas.takeRequest(app);
    expect(() => quotas.takeRequest(app)).toThrow("60 requests");
  });

  it("count tokens when they are known, and let nothing begin until the debt is paid", async () => {
    const { clock, quotas, reached, key } = someQuotas();
    const app = key("app", { tokensPerMinute: 600 });
    quotas.requireTokens(app);
    quotas.spendTokens(app, 900);
    expect(() => quotas.requireTokens(app)).toThrow("key app may have 600 tokens a minute");
    expect(reached).toEqual(["tokens"]);
    await clock.advance(30_000);
    expect(() => quotas.requireTokens(app)).toThrow("600 tokens");
    await clock.advance(100);
    expect(() => quotas.requireTokens(app)).not.toThrow();
  });

  it("are none of a key that has none", () => {
    const { quotas, key } = someQuotas();
    const free = key("free", {});
    for (let n = 0; n < 1_000; n += 1) quotas.takeRequest(free);
    quotas.spendTokens(free, 1_000_000_000);
    expect(() => quotas.requireTokens(free)).not.toThrow();
  });
});
