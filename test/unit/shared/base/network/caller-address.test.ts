import { describe, expect, it } from "@jest/globals";
import { callerAddress } from "../../../../../shared/base/network/caller-address.ts";

describe("the address of a caller", () => {
  it.each<[string, string | undefined, number, string]>([
    ["the other end, when no proxy is trusted", "192.0.2.9", 0, "10.0.0.1"],
    ["what the only proxy saw", "192.0.2.9", 1, "192.0.2.9"],
    ["what the proxy saw, and not what the caller claims", "203.0.113.1, 192.0.2.9", 1, "192.0.2.9"],
    ["what the outermost of two proxies saw", "203.0.113.1, 192.0.2.9, 10.0.0.2", 2, "192.0.2.9"],
    ["the other end, when fewer proxies wrote than are trusted", "192.0.2.9", 2, "10.0.0.1"],
    ["the other end, when no proxy wrote", undefined, 1, "10.0.0.1"],
    ["the other end, when a proxy wrote no address", "unknown", 1, "10.0.0.1"],
    ["the address without the port that a proxy wrote", "192.0.2.9:51234", 1, "192.0.2.9"],
    ["an IPv6 address", "2001:db8::7", 1, "2001:db8::7"],
    ["an IPv6 address without its port", "[2001:db8::7]:443", 1, "2001:db8::7"],
  ])("is %s", (_what, forwardedFor, trustedProxies, expected) => {
    expect(callerAddress({ peer: "10.0.0.1", forwardedFor, trustedProxies })).toBe(expected);
  });

  it("is unknown when the connection has gone", () => {
    expect(callerAddress({ peer: undefined, forwardedFor: undefined, trustedProxies: 0 })).toBe("unknown");
  });
});
