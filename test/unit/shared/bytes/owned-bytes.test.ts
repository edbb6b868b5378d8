import { describe, expect, it } from "@jest/globals";
import { allocate, own, release, releasing } from "../../../../shared/bytes/owned-bytes.ts";

describe("owned bytes", () => {
  it("are gone once released, and may be released again", () => {
    const bytes = allocate(4_096);
    release(bytes);
    release(bytes);
    expect([bytes.byteLength, bytes.buffer.byteLength]).toEqual([0, 0]);
  });

  it("stay when others may look at their buffer, or when they are too few to be worth it", () => {
    const chunk = new Uint8Array(8_192);
    const view = own(chunk.subarray(0, 4_096));
    release(view);
    const few = allocate(100);
    release(few);
    expect([chunk.byteLength, view.byteLength, few.byteLength]).toEqual([8_192, 4_096, 100]);
    expect([releasing(few), typeof releasing(allocate(1_024))]).toEqual([undefined, "function"]);
  });

  it("are what may be released; bytes that were lent do not compile", () => {
    const lent: Uint8Array = new Uint8Array(10);
    // @ts-expect-error A borrower does not own them.
    release(lent);
    expect(lent.byteLength).toBe(10);
  });
});
