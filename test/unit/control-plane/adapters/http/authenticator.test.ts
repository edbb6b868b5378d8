import { describe, expect, it } from "@jest/globals";
import { keyLimits } from "../../../../../shared/api/v1/access/keys.ts";
import { Authenticator } from "../../../../../control-plane/adapters/http/auth/authenticator.ts";
import { SessionCookie } from "../../../../../control-plane/adapters/http/auth/session-cookie.ts";
import { LIMITS } from "../../../../../control-plane/adapters/http/server/limits.ts";
import type { Caller } from "../../../../../control-plane/app/access/api-keys.ts";
import { TestClock } from "../../../../support/test-clock.ts";

const CALLER: Caller = {
  keyId: "k-1",
  name: "app",
  role: "application",
  models: ["digits"],
  deployments: [],
  limits: keyLimits.parse({}),
};

describe("Authenticator", () => {
  it("bounds the look-ups of one address that are under way, and not those of another or of known keys", async () => {
    const asked = Promise.withResolvers<Caller | null>();
    const authenticator = new Authenticator({
      keys: {
        authenticate: (key) => (key === "known" ? Promise.resolve(CALLER) : asked.promise),
        asksNothing: (key) => key === "known",
        watch: () => () => undefined,
      },
      sessions: { authenticate: () => null, asksNothing: () => false, watch: () => () => undefined },
      cookie: new SessionCookie({ publicUrl: "http://127.0.0.1:7070" }),
      quotas: { takeRequest: () => undefined },
      metrics: { limitReached: () => undefined },
      clock: new TestClock(),
      limits: { ...LIMITS, failuresPerAddress: { perSecond: 10, burst: 3 } },
    });
    const ask = async (key: string, address: string): Promise<string> => {
      try {
        await authenticator.authenticate(`Bearer ${key}`, address);
        return "ok";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const guesses = Array.from({ length: 5 }, (_, index) => ask(`guess-${index}`, "bad"));
    const known = ask("known", "bad");
    const other = ask("other", "good");
    expect(await Promise.all(guesses.slice(3))).toEqual(["RATE_LIMITED", "RATE_LIMITED"]);
    asked.resolve(null);
    expect(await Promise.all([...guesses.slice(0, 3), known, other])).toEqual([
      "UNAUTHENTICATED",
      "UNAUTHENTICATED",
      "UNAUTHENTICATED",
      "ok",
      "UNAUTHENTICATED",
    ]);
  });

  it("lets all callers of a key in when it is looked up for one of them, as after a restart", async () => {
    const asked = Promise.withResolvers<Caller | null>();
    let isAsked = false;
    const authenticator = new Authenticator({
      keys: {
        authenticate: () => {
          isAsked = true;
          return asked.promise;
        },
        asksNothing: () => isAsked,
        watch: () => () => undefined,
      },
      sessions: { authenticate: () => null, asksNothing: () => false, watch: () => () => undefined },
      cookie: new SessionCookie({ publicUrl: "http://127.0.0.1:7070" }),
      quotas: { takeRequest: () => undefined },
      metrics: { limitReached: () => undefined },
      clock: new TestClock(),
      limits: { ...LIMITS, failuresPerAddress: { perSecond: 10, burst: 3 } },
    });
    const callers = Array.from({ length: 60 }, async () => authenticator.authenticate("Bearer sk_good", "site"));
    asked.resolve(CALLER);
    expect(await Promise.all(callers)).toEqual(Array(60).fill(CALLER));
  });
});
