import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { problem } from "../shared/api/v1/common.ts";
import { ERRORS, SkerryError, type ErrorCode } from "../shared/base/errors.ts";
import { problemResponse } from "../control-plane/adapters/http/server/problem.ts";
import { inferenceError } from "../shared/inference/http/error-response.ts";

const docs = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
const codes = Object.keys(ERRORS) as ErrorCode[];

/** What docs/errors.md says first of a code. More may follow. */
function sectionOf(code: ErrorCode): string {
  const { status, retryable, message, fix } = ERRORS[code];
  const again = retryable ? "the same call may succeed later" : "the same call will fail again";
  return `## ${code}\n\nHTTP ${status} · ${again}\n\n${message}\n\n**What to do:** ${fix}\n`;
}

describe("the catalog of errors", () => {
  it("has a section in docs/errors.md for every code, in its order, and for no other", () => {
    expect([...docs.matchAll(/^## (.+)$/gm)].map(([, title]) => title)).toEqual(codes);
  });

  for (const code of codes) {
    it(`is what docs/errors.md says of ${code}`, () => {
      expect(docs).toContain(sectionOf(code));
    });

    it(`is what HTTP says of ${code}`, () => {
      const error = new SkerryError(code, "this happened");
      const { status, message, fix } = ERRORS[code];
      const answer = problemResponse(error, "r-1");
      expect(answer.status).toBe(status);
      expect(problem.parse(answer.body)).toEqual({
        type: `urn:skerry:error:${code}`,
        title: message,
        status,
        detail: "this happened",
        code,
        fix,
        docs: `docs/errors.md#${code.toLowerCase()}`,
        requestId: "r-1",
      });
      expect(inferenceError(error)).toMatchObject({
        status,
        headers: { "Skerry-Error": code },
        body: { error: `this happened. ${fix}` },
      });
    });
  }

  it("is what the OpenAPI document lists", () => {
    expect(problem.shape.code.meta()?.["examples"]).toEqual(codes);
  });

  it("is written in sentences", () => {
    for (const code of codes) {
      const { message, fix } = ERRORS[code];
      expect([code, /^[A-Z`].*[.]$/.test(message), /^[A-Z`].*[.]$/.test(fix)]).toEqual([code, true, true]);
    }
  });

  it("says when to retry wherever the call may succeed soon", () => {
    for (const code of codes) {
      const isSoon = [429, 503].includes(ERRORS[code].status);
      expect([code, "Retry-After" in problemResponse(new SkerryError(code, "x"), "r").headers]).toEqual([code, isSoon]);
    }
    expect(
      problemResponse(new SkerryError("RATE_LIMITED", "x", { retryAfterMs: 2_001 }), "r").headers["Retry-After"],
    ).toBe("3");
  });
});
