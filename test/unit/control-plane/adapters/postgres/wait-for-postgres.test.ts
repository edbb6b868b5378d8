import { describe, expect, it } from "@jest/globals";
import { unavailable } from "../../../../../control-plane/adapters/postgres/database-errors.ts";
import { waitForPostgres } from "../../../../../control-plane/adapters/postgres/wait-for-postgres.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";

const failure = (code: string): Error => unavailable(Object.assign(new Error(code), { code }));

function setUp(open: (attempt: number) => string) {
  const clock = new TestClock();
  let attempts = 0;
  const random = { next: () => 0.999, bytes: () => new Uint8Array() };
  const result = waitForPostgres(
    () => {
      attempts += 1;
      return new Promise<string>((resolve) => resolve(open(attempts)));
    },
    { clock, random, logger: silentLogger },
  );
  return { clock, result, attempts: () => attempts };
}

describe("the wait for PostgreSQL at the start", () => {
  it.each(["ECONNREFUSED", "57P03", "ENOTFOUND"])("goes on through %s until it answers", async (code) => {
    const { clock, result, attempts } = setUp((attempt) => {
      if (attempt < 4) throw failure(code);
      return "open";
    });
    await settle();
    await clock.advance(500 + 1_000 + 2_000);
    await expect(result).resolves.toBe("open");
    expect(attempts()).toBe(4);
  });

  it.each(["28P01", "28000", "3D000"])("ends at once for %s, which waiting does not mend", async (code) => {
    const { result, attempts } = setUp(() => {
      throw failure(code);
    });
    await expect(result).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    expect(attempts()).toBe(1);
  });

  it("ends at once for a schema that cannot be migrated", async () => {
    const { result } = setUp(() => {
      throw new Error("the migration 2 is pending");
    });
    await expect(result).rejects.toThrow("the migration 2 is pending");
  });

  it("tries at least every five seconds", async () => {
    const { clock, attempts } = setUp(() => {
      throw failure("ECONNREFUSED");
    });
    await clock.advance(60_000);
    const before = attempts();
    await clock.advance(5_000);
    await settle();
    expect(attempts()).toBeGreaterThan(before);
  });
});
