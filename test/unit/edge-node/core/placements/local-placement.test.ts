import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { LocalPlacement } from "../../../../../edge-node/core/placements/local-placement.ts";
import { LATE_RETRY_MS, MAX_CRASHES } from "../../../../../edge-node/core/placements/restart-policy.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import type { DesiredPlacement } from "../../../../../shared/protocol/messages/desired-placement.ts";
import type { PlacementReport } from "../../../../../shared/protocol/messages/placement-report.ts";

const artifact = (n: number): `sha256:${string}` => `sha256:${String(n).padStart(64, "0")}`;
const SPEC: DesiredPlacement = {
  placementId: "p-1",
  generation: 3,
  deployment: "d-1",
  model: "digits",
  version: "1",
  artifact: artifact(1),
  want: "serve",
  residency: "any",
  limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
};
const MEASURED = {
  rssMiB: 64,
  warmUs: 120,
  sharing: { isShared: true, reason: "the graph proves that rows are independent" },
  limitMiB: 256,
};
const CRASH = { code: "HOST_CRASHED", detail: "signal SIGSEGV" } as const;
const random = seededRandom(1);

type Placement = LocalPlacement<string>;

function setUp() {
  const reports: PlacementReport[] = [];
  const placement: Placement = new LocalPlacement(SPEC, (changed) => reports.push(changed.report()));
  const states = (): readonly string[] => reports.map(({ state }) => state);
  return { placement, reports, states };
}

/** Brings a placement to `ready` with the host `host`. */
function start(placement: Placement, host = "h-1"): void {
  if (placement.state === "offered") placement.becomeStaged();
  placement.hostStarting();
  placement.hostLoading();
  placement.hostReady(host, MEASURED);
}

describe("LocalPlacement", () => {
  it("walks from offered to ready and reports each state with what belongs to it", () => {
    const { placement, reports } = setUp();
    placement.becomeOffered();
    placement.becomeDownloading(10, 30);
    placement.becomeDownloading(20, 30);
    placement.becomeVerifying();
    placement.becomeStaged();
    placement.hostStarting();
    placement.hostLoading();
    placement.hostWarming();
    placement.hostReady("h-1", MEASURED);
    const own = { placementId: "p-1", generation: 3 };
    expect(reports).toEqual([
      { ...own, state: "offered" },
      { ...own, state: "downloading", done: 10, total: 30 },
      { ...own, state: "downloading", done: 20, total: 30 },
      { ...own, state: "verifying" },
      { ...own, state: "staged" },
      { ...own, state: "loading" },
      { ...own, state: "warming" },
      { ...own, state: "ready", ...MEASURED },
    ]);
    expect([placement.hostState, placement.host]).toEqual(["running", "h-1"]);
  });

  it("verifies before a start unless the files were hashed on arrival, and then only once", () => {
    const { placement } = setUp();
    placement.becomeStaged();
    placement.bytesVerified();
    expect(placement.hostStarting()).toEqual({ mustVerify: false });
    placement.hostStopping();
    placement.hostStopped();
    expect(placement.hostStarting()).toEqual({ mustVerify: true });
  });

  it("drains when its host is stopped, and is gone when that has ended", () => {
    const { placement, states } = setUp();
    start(placement);
    placement.hostStopping();
    expect([placement.state, placement.hostState]).toEqual(["draining", "stopping"]);
    expect(() => placement.becomeGone()).toThrow("its host in the state stopping");
    placement.hostStopped();
    placement.becomeGone();
    expect(states()).toEqual(["staged", "loading", "ready", "draining", "gone"]);
  });

  it("is staged again when a start is stopped", () => {
    const { placement } = setUp();
    placement.becomeStaged();
    placement.hostStarting();
    placement.hostLoading();
    placement.hostStopping();
    expect(placement.hostWarming()).toBe(false);
    placement.hostStopped();
    expect([placement.state, placement.hostState, placement.host]).toEqual(["staged", "none", undefined]);
  });

  it("waits for its bytes again when a start finds them damaged", () => {
    const { placement } = setUp();
    placement.becomeStaged();
    placement.hostStarting();
    placement.becomeVerifying();
    placement.bytesDamaged();
    expect([placement.state, placement.hostState]).toEqual(["offered", "none"]);
  });

  it("is staged with a back-off after a crash, forgets what it measured, and fails after too many", () => {
    const { placement } = setUp();
    for (let crashes = 1; crashes < MAX_CRASHES; crashes += 1) {
      start(placement);
      expect(placement.hostExited("h-1", CRASH, 1_000, random)).toEqual({ kind: "restart", crashes });
      expect(placement.report()).toEqual({ placementId: "p-1", generation: 3, state: "staged" });
      expect(placement.notBefore).toBeGreaterThanOrEqual(1_000);
    }
    start(placement);
    expect(placement.hostExited("h-1", CRASH, 1_000, random)).toMatchObject({ kind: "give-up" });
    expect(placement.report()).toMatchObject({ state: "failed", code: "HOST_CRASHED" });
    expect(placement.notBefore).toBe(1_000 + LATE_RETRY_MS);
  });

  it("stays ready for others while a host that one request ended is replaced, however often, and keeps its measures", () => {
    const { placement, reports } = setUp();
    start(placement);
    for (let replacement = 0; replacement < 2 * MAX_CRASHES; replacement += 1) {
      const host = `h-${replacement + 1}`;
      expect(placement.hostOverwhelmed(host)).toBe(true);
      expect([placement.state, placement.announcedState, placement.notBefore]).toEqual(["staged", "ready", 0]);
      expect(placement.hostStarting()).toEqual({ mustVerify: false });
      placement.hostLoading();
      placement.hostReady(`h-${replacement + 2}`, MEASURED);
    }
    expect(placement.hostOverwhelmed("h-1")).toBe(false);
    const told = reports.slice(reports.findIndex(({ state }) => state === "ready"));
    expect(told.filter(({ state, rssMiB }) => state !== "ready" || rssMiB !== MEASURED.rssMiB)).toEqual([]);
  });

  it("is ready for nobody any more when a replacement crashes or is stopped", () => {
    for (const end of ["crash", "stop"] as const) {
      const { placement } = setUp();
      start(placement);
      placement.hostOverwhelmed("h-1");
      placement.hostStarting();
      placement.hostLoading();
      if (end === "crash") placement.hostStartCrashed(CRASH, 1_000, random);
      else placement.hostStopping();
      expect(placement.announcedState).not.toBe("ready");
    }
  });

  it("counts a crash at the start like any other", () => {
    const { placement } = setUp();
    placement.becomeStaged();
    placement.hostStarting();
    placement.hostLoading();
    expect(placement.hostStartCrashed(CRASH, 0, random)).toEqual({ kind: "restart", crashes: 1 });
    expect([placement.state, placement.hostState]).toEqual(["staged", "none"]);
  });

  it("counts the exit of a draining host as no crash", () => {
    const { placement } = setUp();
    start(placement);
    placement.becomeDraining();
    expect(placement.hostExited("h-1", CRASH, 0, random)).toBe("drained");
    expect([placement.state, placement.notBefore]).toEqual(["staged", 0]);
  });

  it("ignores the exit of a replaced host, and of one that is being stopped", () => {
    const { placement } = setUp();
    start(placement);
    placement.hostReplaced("h-2");
    expect(placement.hostExited("h-1", CRASH, 0, random)).toBeNull();
    expect([placement.state, placement.host]).toEqual(["ready", "h-2"]);
    placement.hostStopping();
    expect(placement.hostExited("h-2", CRASH, 0, random)).toBeNull();
  });

  it("keeps a failure's code until the next attempt, its detail within a thousand characters", () => {
    const { placement } = setUp();
    placement.becomeStaged();
    placement.hostStarting();
    placement.hostLoading();
    placement.hostStartFailed({ code: "LOAD_FAILED", detail: "x".repeat(5_000) }, 0);
    expect(placement.report()).toMatchObject({ state: "failed", code: "LOAD_FAILED" });
    expect(placement.report().detail).toHaveLength(1_000);
    expect(placement.notBefore).toBe(Infinity);
    placement.adopt({ ...SPEC, generation: 4 }, { isHere: true });
    expect(placement.notBefore).toBe(0);
    placement.becomeStaged();
    expect(placement.report()).not.toHaveProperty("code");
  });

  it("refuses an order that cannot be", () => {
    const { placement } = setUp();
    expect(() => placement.hostReady("h-1", MEASURED)).toThrow("p-1 cannot become ready while it has its host");
    expect(() => placement.becomeDraining()).toThrow("cannot become draining while it is offered");
    placement.becomeGone();
    expect(() => placement.becomeOffered()).toThrow("p-1");
  });

  it("ignores an older generation, and takes another artifact only without a host", () => {
    const { placement } = setUp();
    expect(placement.adopt({ ...SPEC, generation: 2, artifact: artifact(2) }, { isHere: true })).toBe(false);
    expect(placement.spec).toBe(SPEC);
    start(placement);
    const other = { ...SPEC, generation: 4, artifact: artifact(2) };
    expect(() => placement.adopt(other, { isHere: false })).toThrow("cannot take another artifact");
    placement.hostStopping();
    placement.hostStopped();
    placement.adopt(other, { isHere: false });
    expect([placement.state, placement.report().generation]).toEqual(["offered", 4]);
  });
});

/** Every event, by name, as it may reach a placement at any time; `host` is a process that no event named before. */
const EVENTS: Readonly<Record<string, (placement: Placement, host: string) => unknown>> = {
  "same spec": (placement) => placement.adopt(placement.spec, { isHere: true }),
  "next generation": (placement) =>
    placement.adopt({ ...placement.spec, generation: placement.spec.generation + 1 }, { isHere: true }),
  "other artifact": (placement) => placement.adopt({ ...placement.spec, artifact: artifact(2) }, { isHere: false }),
  offered: (placement) => placement.becomeOffered(),
  downloading: (placement) => placement.becomeDownloading(1, 2),
  verifying: (placement) => placement.becomeVerifying(),
  verified: (placement) => placement.bytesVerified(),
  staged: (placement) => placement.becomeStaged(),
  draining: (placement) => placement.becomeDraining(),
  gone: (placement) => placement.becomeGone(),
  failed: (placement) => placement.becomeFailed({ code: "NO_SPACE", detail: "full" }, 5),
  "host starting": (placement) => placement.hostStarting(),
  damaged: (placement) => placement.bytesDamaged(),
  "host loading": (placement) => placement.hostLoading(),
  "host warming": (placement) => placement.hostWarming(),
  "host ready": (placement, host) => placement.hostReady(host, MEASURED),
  "host replaced": (placement, host) => placement.hostReplaced(host),
  "host stopping": (placement) => placement.hostStopping(),
  "host stopped": (placement) => placement.hostStopped(),
  "start failed": (placement) => placement.hostStartFailed({ code: "LOAD_FAILED", detail: "no" }, 5),
  "start crashed": (placement) => placement.hostStartCrashed(CRASH, 5, random),
  "host exited": (placement) => placement.hostExited(placement.host ?? "none", CRASH, 5, random),
};

const facts = (placement: Placement): unknown => {
  const { spec, state, hostState, host, notBefore } = placement;
  return { spec, state, hostState, host, notBefore, report: placement.report() };
};

/** What must hold after every event, and at every report. */
function expectConsistent({ state, hostState, host }: Placement): void {
  if (state === "ready") expect(hostState).toBe("running");
  if (hostState === "running") expect(["ready", "draining"]).toContain(state);
  if (hostState === "none" || hostState === "starting") expect(host).toBeUndefined();
  if (hostState === "running") expect(host).toBeDefined();
  if (state === "loading" || state === "warming") expect(["starting", "stopping"]).toContain(hostState);
  if (["offered", "downloading", "failed", "gone"].includes(state)) expect(hostState).toBe("none");
}

describe("any sequence of events", () => {
  it("keeps a placement consistent: ready only with a running host, and a refused event changes nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(EVENTS)), { maxLength: 60 }), (names) => {
        const placement: Placement = new LocalPlacement(SPEC, expectConsistent);
        for (const [index, name] of names.entries()) {
          const before = facts(placement);
          let isRefused = false;
          try {
            EVENTS[name]?.(placement, `h-${index}`);
          } catch (error) {
            if (!(error instanceof Error) || !error.message.startsWith("placement p-1 cannot")) throw error;
            isRefused = true;
          }
          if (isRefused) expect(facts(placement)).toEqual(before);
          expectConsistent(placement);
        }
        expect(placement.spec.placementId).toBe(SPEC.placementId);
      }),
      { numRuns: 2_000 },
    );
  });

  it("holds one host at a time: a second one is taken only in the place of the first", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(EVENTS)), { maxLength: 60 }), (names) => {
        const placement: Placement = new LocalPlacement(SPEC, () => undefined);
        for (const [index, name] of names.entries()) {
          const { host } = placement;
          try {
            EVENTS[name]?.(placement, `h-${index}`);
          } catch {
            continue;
          }
          const isAnother = placement.host !== undefined && placement.host !== host;
          if (isAnother && host !== undefined) expect(name).toBe("host replaced");
          if (isAnother && host === undefined) expect(name).toBe("host ready");
          if (host !== undefined && placement.host === undefined)
            expect(["host stopped", "host exited"]).toContain(name);
        }
        expect(placement.spec.placementId).toBe(SPEC.placementId);
      }),
      { numRuns: 1_000 },
    );
  });
});
