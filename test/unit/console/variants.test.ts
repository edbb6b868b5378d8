import { describe, expect, it } from "@jest/globals";
import { agreementText, differenceText, routedVariant, versionText } from "../../../console/src/core/variants.ts";
import { routeHeader } from "../../../shared/inference/http/response-headers.ts";

const ROUTE = { placement: "pl_7k2", reason: "least-eta", etaMs: 7, candidates: 2, attempt: 1 };
const accuracy = { samples: 100, agreement: 0.99999, maxDifference: 0.018_421_3 };

describe("a variant", () => {
  it("decides alike in a share that is rounded down, where its outputs hold a decision", () => {
    expect(agreementText(accuracy)).toBe("99.9 %");
    expect(agreementText({ ...accuracy, agreement: 1 })).toBe("100 %");
    expect(agreementText({ ...accuracy, agreement: null })).toBe("no decisions");
    expect(differenceText(accuracy)).toBe("0.0184");
  });

  it("is named beside its version", () => {
    expect([versionText("layer:1", "int8"), versionText("layer:1", null)]).toEqual(["layer:1 (int8)", "layer:1"]);
  });

  it("is read from the route of an answer", () => {
    expect(routedVariant(routeHeader({ ...ROUTE, variant: "int8" }))).toBe("int8");
    expect(routedVariant(routeHeader(ROUTE))).toBeUndefined();
    expect(routedVariant(null)).toBeUndefined();
  });
});
