import { describe, expect, it } from "@jest/globals";
import { exitCodeOfResponse } from "../../../cli/exit-codes.ts";
import { ERRORS, type ErrorCode } from "../../../shared/base/errors.ts";

const expected: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 4,
  FORBIDDEN: 4,
  CSRF_REFUSED: 4,
  ORIGIN_REFUSED: 4,
  HOST_REFUSED: 4,
  JOIN_REFUSED: 4,
  NODE_WAITING: 4,
  EDGE_ONLY: 4,
  NOT_FOUND: 5,
  CONFLICT: 6,
  NAME_TAKEN: 6,
  STALE_ETAG: 6,
  IDEMPOTENCY_MISMATCH: 6,
  UPLOAD_OFFSET: 6,
  UPLOAD_INCOMPLETE: 6,
  NO_ELIGIBLE_NODE: 2,
  RESIDENCY_UNSATISFIABLE: 2,
};

describe("the exit code of an error answer", () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])("is the documented one for %s", (code) =>
    expect(exitCodeOfResponse(ERRORS[code].status, code)).toBe(expected[code] ?? 1),
  );

  it("follows the status when a proxy answers without a code", () => {
    expect([401, 404, 412, 502].map((status) => exitCodeOfResponse(status, ""))).toEqual([4, 5, 6, 1]);
  });
});
