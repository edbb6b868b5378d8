import { describe, expect, it } from "@jest/globals";
import { PlacementMachine } from "../../../../edge-node/core/placement-machine.ts";

describe("PlacementMachine", () => {
  it("walks from offered to ready and reports each state with what belongs to it", () => {
    const machine = new PlacementMachine("p-1", 3);
    expect(machine.report()).toEqual({ placementId: "p-1", generation: 3, state: "offered" });
    machine.becomeDownloading(10, 30);
    expect(machine.report()).toMatchObject({ state: "downloading", done: 10, total: 30 });
    machine.becomeDownloading(20, 30);
    machine.becomeVerifying();
    machine.becomeStaged();
    machine.becomeLoading();
    machine.becomeWarming();
    machine.becomeReady({ rssMiB: 64, warmUs: 120 });
    expect(machine.report()).toEqual({ placementId: "p-1", generation: 3, state: "ready", rssMiB: 64, warmUs: 120 });
    machine.becomeDraining();
    machine.becomeGone();
    expect(machine.state).toBe("gone");
  });

  it("goes back to staged after a crash, and forgets what it measured", () => {
    const machine = new PlacementMachine("p-1", 1);
    machine.becomeStaged();
    machine.becomeLoading();
    machine.becomeReady({ rssMiB: 64, warmUs: 120 });
    machine.becomeStaged();
    expect(machine.report()).toEqual({ placementId: "p-1", generation: 1, state: "staged" });
  });

  it("keeps a failure's code until the next attempt, its detail within a thousand characters", () => {
    const machine = new PlacementMachine("p-1", 1);
    machine.becomeFailed("LOAD_FAILED", "x".repeat(5_000));
    expect(machine.failure).toBe("LOAD_FAILED");
    expect(machine.report().detail).toHaveLength(1_000);
    machine.becomeStaged();
    expect(machine.report()).not.toHaveProperty("code");
  });

  it("refuses an order that cannot be", () => {
    const machine = new PlacementMachine("p-1", 1);
    expect(() => machine.becomeReady({ rssMiB: 1, warmUs: 1 })).toThrow("cannot become ready while it is offered");
    expect(() => machine.becomeDraining()).toThrow("cannot become draining while it is offered");
    machine.becomeGone();
    expect(() => machine.becomeOffered()).toThrow("p-1");
  });

  it("ignores an older generation", () => {
    const machine = new PlacementMachine("p-1", 5);
    expect(machine.adopt(4)).toBe(false);
    expect(machine.adopt(6)).toBe(true);
    expect(machine.generation).toBe(6);
  });
});
