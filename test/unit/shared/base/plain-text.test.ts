import { describe, expect, it } from "@jest/globals";
import { escapeControls, withoutControls } from "../../../../shared/base/plain-text.ts";

const HOSTILE = "a\u001b]0;title\u0007b\rc\u009b2J\u202ed";

describe("text that somebody else wrote", () => {
  it("loses what steers a terminal, and keeps lines and tabs", () => {
    expect(withoutControls(HOSTILE)).toBe("a]0;titlebc2Jd");
    expect(withoutControls("one\n\ttwo é 数")).toBe("one\n\ttwo é 数");
  });

  it("is shown with its control characters written out, beside our own colours", () => {
    expect(escapeControls(HOSTILE)).toBe("a\\u001b]0;title\\u0007b\\u000dc\\u009b2J\\u202ed");
    expect(escapeControls("\u001b[1;31mred\u001b[0m\n")).toBe("\u001b[1;31mred\u001b[0m\n");
    expect(JSON.parse(escapeControls(JSON.stringify({ text: HOSTILE })))).toEqual({ text: HOSTILE });
  });
});
