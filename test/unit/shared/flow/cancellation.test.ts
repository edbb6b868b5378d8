import { describe, expect, it } from "@jest/globals";
import { EventEmitter } from "node:events";
import { Cancellation, cancellationOf } from "../../../../shared/flow/cancellation.ts";

const anAnswer = (over: { destroyed?: boolean; writableFinished?: boolean } = {}) =>
  Object.assign(new EventEmitter(), { destroyed: false, writableFinished: false, ...over });

describe("the cancellation of an HTTP answer", () => {
  it("comes when the connection closes before the answer is out", () => {
    const answer = anAnswer();
    const cancellation = cancellationOf(answer);
    expect(cancellation.isCancelled).toBe(false);
    answer.emit("close");
    expect(cancellation.isCancelled).toBe(true);
  });

  it("does not come when the answer was out", () => {
    const answer = anAnswer({ writableFinished: true });
    const cancellation = cancellationOf(answer);
    answer.emit("close");
    expect(cancellation.isCancelled).toBe(false);
  });

  it("is there already when the caller went away before", () => {
    expect(cancellationOf(anAnswer({ destroyed: true })).isCancelled).toBe(true);
  });
});

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

  it("calls a late listener at once", () => {
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
