import { randomBytes } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { ApiKeys } from "../../../../control-plane/app/access/api-keys.ts";
import { keys } from "../../../../control-plane/adapters/system/ed25519.ts";
import { systemClock } from "../../../../shared/base/clock.ts";
import { systemRandom } from "../../../../shared/base/random.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { stores } from "../own-stores.ts";

const newKey = (): string => `sk_${randomBytes(6).toString("hex")}_${randomBytes(32).toString("base64url")}`;

/** As a control plane has them. */
const apiKeys = (): ApiKeys =>
  new ApiKeys({ store: stores.keys, keys, clock: systemClock, random: systemRandom, logger: silentLogger });

describe("the first admin key that an operator made", () => {
  const given = newKey();

  it("is refused when it is no API key", async () => {
    expect(await apiKeys().takeFirstKey("secret")).toBe(false);
    expect(await stores.keys.isEmpty()).toBe(true);
  });

  it("is taken once by control planes that start at the same moment, and holds at each", async () => {
    const replicas = Array.from({ length: 4 }, apiKeys);
    expect(await Promise.all(replicas.map((each) => each.takeFirstKey(given)))).toEqual([true, true, true, true]);
    expect(await stores.keys.list()).toMatchObject([{ name: "first-admin", role: "admin" }]);
    for (const each of replicas)
      expect(await each.authenticate(given)).toMatchObject({ name: "first-admin", role: "admin" });
  });

  it("is not taken when there is a key", async () => {
    const other = newKey();
    expect(await apiKeys().takeFirstKey(other)).toBe(true);
    expect(await apiKeys().takeFirstKey("secret")).toBe(true);
    expect(await apiKeys().authenticate(other)).toBeNull();
    expect(await stores.keys.list()).toHaveLength(1);
  });
});
