import { describe, expect, it } from "@jest/globals";
import { Cancellation } from "../../../shared/cancellation.ts";

describe("Cancellation", () => {
  it("calls its listeners once, in their order", () => {
    const cancellation = new Cancellation();
    const called: string[] = [];
    for (const name of ["first", "second"]) cancellation.onCancel(() => called.push(name));
    expect([cancellation.isCancelled, called]).toEqual([false, []]);
    cancellation.cancel();
    cancellation.cancel();
    expect([cancellation.isCancelled, called]).toEqual([true, ["first", "second"]]);
  });

  it("calls at once whoever listens too late", () => {
    const cancellation = new Cancellation();
    cancellation.cancel();
    const called: string[] = [];
    cancellation.onCancel(() => called.push("late"));
    expect(called).toEqual(["late"]);
  });

  it("is cancelled already when its listeners are called", () => {
    const cancellation = new Cancellation();
    const seen: boolean[] = [];
    cancellation.onCancel(() => seen.push(cancellation.isCancelled));
    cancellation.cancel();
    expect(seen).toEqual([true]);
  });
});
