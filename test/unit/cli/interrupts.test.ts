import { EventEmitter } from "node:events";
import { describe, expect, it, jest } from "@jest/globals";
import { Interrupts } from "../../../cli/interrupts.ts";

describe("Ctrl-C", () => {
  function start(): { source: EventEmitter; interrupts: Interrupts; log: string[] } {
    const source = new EventEmitter();
    const log: string[] = [];
    const interrupts = new Interrupts(source, () => log.push("exit"));
    interrupts.onForce(() => log.push("kill"));
    return { source, interrupts, log };
  }

  it("asks to end in order", () => {
    const { source, interrupts, log } = start();
    source.emit("SIGINT");
    expect([interrupts.signal.aborted, log]).toEqual([true, []]);
  });

  it("kills what is left when it comes again", () => {
    const { source, log } = start();
    const now = jest.spyOn(performance, "now").mockReturnValue(1000);
    source.emit("SIGINT");
    now.mockReturnValue(2000);
    source.emit("SIGTERM");
    now.mockRestore();
    expect(log).toEqual(["kill", "exit"]);
  });

  it("counts once when npm passes the same key press on", () => {
    const { source, log } = start();
    source.emit("SIGINT");
    source.emit("SIGINT");
    expect(log).toEqual([]);
  });

  it("is nobody's business any more after stop", () => {
    const { source, interrupts } = start();
    interrupts.stop();
    expect(source.eventNames()).toEqual([]);
  });
});
