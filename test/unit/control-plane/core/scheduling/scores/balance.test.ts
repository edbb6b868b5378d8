import { describe, expect, it } from "@jest/globals";
import { balance } from "../../../../../../control-plane/core/scheduling/scores/balance.ts";
import {
  aCandidate,
  aLoad,
  aRequest,
  unboundedCase,
  scoreOn,
} from "../../../../../support/fleet/scheduling-fixture.ts";

const scored = (reservedMiB: number, cpuPct: number | undefined, usableMiB = 1_000) =>
  scoreOn(
    balance,
    aCandidate({ reservedMiB, usableMiB, of: { load: cpuPct === undefined ? undefined : aLoad({ cpuPct }) } }),
    aRequest(),
    [],
  );

describe("balance", () => {
  it.each([
    ["used alike", 400, 50, 100, "memory 50 %, CPU 50 %"],
    ["both full", 900, 100, 100, "memory 100 %, CPU 100 %"],
    ["half apart", 0, 60, 50, "memory 10 %, CPU 60 %"],
    ["memory full and CPU idle", 900, 0, 0, "memory 100 %, CPU 0 %"],
    ["memory more than full and CPU idle", 2_000, 0, 0, "memory 100 %, CPU 0 %"],
  ])("of memory and CPU %s", (_, reservedMiB, cpuPct, score, raw) => {
    expect(scored(reservedMiB, cpuPct)).toEqual({ score, raw });
  });

  it("takes CPU as half used without a load report", () => {
    expect(scored(400, undefined)).toEqual({ score: 100, raw: "memory 50 %, CPU 50 %" });
  });

  it("takes memory as full while its size is not known", () => {
    expect(scored(0, 100, 0)).toEqual({ score: 100, raw: "memory 100 %, CPU 100 %" });
  });

  it("is finite and from 0 to 100", () => {
    expect(unboundedCase(balance)).toBeNull();
  });
});
