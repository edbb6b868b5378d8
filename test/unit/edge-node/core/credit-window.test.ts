import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { PushProgress } from "../../../../control-plane/core/transfer/push-progress.ts";
import { CreditWindow, windowFor } from "../../../../edge-node/core/credit-window.ts";

const KIB = 1_024;
const MIB = 1_024 * KIB;

describe("windowFor", () => {
  it("holds half a second of the rate, between 64 KiB and 4 MiB", () => {
    expect(windowFor(0)).toBe(64 * KIB);
    expect(windowFor(3_000)).toBe(64 * KIB);
    expect(windowFor(MIB)).toBe(512 * KIB);
    expect(windowFor(100 * MIB)).toBe(4 * MIB);
  });
});

describe("CreditWindow", () => {
  it("keeps what is under way inside the window, and never stalls a sender that obeys it", () => {
    const delays = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), delays, (megabytes, waits) => {
        let now = 0;
        const credit = new CreditWindow(now);
        const chunks = Array.from({ length: megabytes }, (_, index) => {
          return { index, file: 0, offset: index * MIB, length: MIB, sha256: "" };
        });
        const sender = new PushProgress(MIB);
        credit.begin();
        sender.begin(chunks, undefined, credit.window);
        let announced = credit.window;
        let received = 0;
        const faults: string[] = []; // an expect for each frame would take seconds
        for (let turn = 0, ended = false; !ended; turn += 1) {
          now += waits[turn % waits.length] ?? 0;
          const frame = sender.next();
          if (frame) {
            received += frame.length;
            if (received - credit.durable > Math.max(announced, credit.window)) faults.push("beyond the window");
            if (!credit.receive(frame.length)) faults.push("refused");
            ended = frame.end;
          }
          // A sender that may send nothing more has always given cause for a grant.
          if (!frame && !credit.isDue()) faults.push("stalled");
          if (credit.isDue()) {
            const grant = credit.grant(credit.received, now);
            announced = grant.window;
            sender.credit(grant.durable, grant.window);
          }
        }
        expect({ faults, received }).toEqual({ faults: [], received: megabytes * MIB });
      }),
    );
  });

  it("notices a sender that goes beyond any window", () => {
    const credit = new CreditWindow(0);
    credit.begin();
    expect(credit.receive(4 * MIB)).toBe(true);
    expect(credit.receive(1)).toBe(false);
  });

  it("follows the measured rate up and down", () => {
    const credit = new CreditWindow(0);
    credit.begin();
    for (let second = 1; second <= 6; second += 1) {
      credit.receive(2 * MIB);
      credit.grant(credit.received, second * 1_000);
    }
    expect(credit.window).toBe(MIB);
    for (let second = 7; second <= 20; second += 1) {
      credit.receive(3_000);
      credit.grant(credit.received, second * 1_000);
    }
    expect(credit.window).toBe(64 * KIB);
  });

  it("counts from zero in a new round and remembers the rate", () => {
    const credit = new CreditWindow(0);
    credit.begin();
    credit.receive(2 * MIB);
    credit.grant(2 * MIB, 1_000);
    credit.begin();
    expect([credit.durable, credit.received, credit.window]).toEqual([0, 0, MIB]);
  });
});
