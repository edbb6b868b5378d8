import { describe, expect, it } from "@jest/globals";
import { readVerdict } from "../../../scripts/signatures.ts";

const verdict = (output: unknown, isLate = false) =>
  readVerdict(typeof output === "string" ? output : JSON.stringify(output), { isLate });

describe("the verdict of npm audit signatures", () => {
  it("is good when nothing is wrong or missing", () => {
    expect(verdict({ invalid: [], missing: [] })).toEqual({ kind: "verified" });
  });

  it("names what is wrong and what is missing", () => {
    const invalid = [
      { name: "ws", version: "8.23.0", code: "EINTEGRITYSIGNATURE", registry: "https://registry.example/" },
      { name: "zod", version: "4.6.7", code: "EATTESTATIONVERIFY", registry: "https://registry.example/" },
    ];
    const missing = [{ name: "pg", version: "8.23.1", registry: "https://registry.example/" }];
    expect(verdict({ invalid, missing })).toEqual({
      kind: "refused",
      packages: [
        "ws@8.23.0: its signature is wrong: it may have been tampered with",
        "zod@4.6.7: its attestation is wrong: it may have been tampered with",
        "pg@8.23.1: its signature is missing, and https://registry.example/ signs",
      ],
    });
  });

  it.each([
    [
      "a network without the keys",
      { error: { code: "ENOTFOUND", summary: "getaddrinfo ENOTFOUND tuf" } },
      /ENOTFOUND tuf/,
    ],
    [
      "a registry that signs nothing",
      {
        error: { code: null, summary: "found no dependencies to audit that were installed from a supported registry" },
      },
      /supported registry/,
    ],
    ["an answer of another form", "npm exploded", /no verdict/],
    ["no answer", "", /no verdict/],
  ])("says of %s that nothing was found out", (_what, output, why) => {
    expect(verdict(output)).toEqual({ kind: "unchecked", why: expect.stringMatching(why) });
  });

  it("says the same where npm was ended at its deadline", () => {
    expect(verdict({ invalid: [], missing: [] }, true)).toMatchObject({ kind: "unchecked" });
  });
});
