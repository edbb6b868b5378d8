import { describe, expect, it } from "@jest/globals";
import { proxyFor } from "../../../../../edge-node/adapters/system/proxy-setting.ts";

const through = (url: string, env: NodeJS.ProcessEnv): string | undefined => proxyFor(new URL(url), env)?.href;
const PROXIES = { HTTPS_PROXY: "http://tls.test:3128", HTTP_PROXY: "http://plain.test:3128" };

describe("the proxy of a URL", () => {
  it.each<[string, NodeJS.ProcessEnv, string | undefined]>([
    ["wss://skerry.test/x", {}, undefined],
    ["wss://skerry.test/x", PROXIES, "http://tls.test:3128/"],
    ["https://skerry.test/x", PROXIES, "http://tls.test:3128/"],
    ["ws://skerry.test/x", PROXIES, "http://plain.test:3128/"],
    ["http://skerry.test/x", PROXIES, "http://plain.test:3128/"],
    ["wss://skerry.test", { ALL_PROXY: "http://all.test" }, "http://all.test/"],
    ["wss://skerry.test", { ...PROXIES, https_proxy: "http://lower.test" }, "http://lower.test/"],
    ["wss://skerry.test", { ...PROXIES, https_proxy: "" }, undefined],
    ["wss://skerry.test", { HTTPS_PROXY: "bare.test:3128" }, "http://bare.test:3128/"],
    ["wss://localhost:7070", PROXIES, undefined],
    ["wss://[::1]:7070", PROXIES, undefined],
  ])("%s with %j is %s", (url, env, expected) => expect(through(url, env)).toBe(expected));

  it.each<[string, string, boolean]>([
    ["wss://skerry.test", "*", true],
    ["wss://skerry.test", "skerry.test", true],
    ["wss://SKERRY.test", "skerry.TEST", true],
    ["wss://a.skerry.test", "skerry.test", true],
    ["wss://a.skerry.test", ".skerry.test", true],
    ["wss://a.skerry.test", "*.skerry.test", true],
    ["wss://askerry.test", "skerry.test", false],
    ["wss://skerry.test", "other.test, skerry.test:443", true],
    ["wss://skerry.test:7070", "skerry.test:443", false],
    ["ws://skerry.test", "skerry.test:80", true],
    ["wss://10.1.2.3", "10.0.0.0/8", true],
    ["wss://11.1.2.3", "10.0.0.0/8", false],
    ["wss://10.1.2.3", "10.1.2.3", true],
    ["wss://[fd00::1]:7070", "fd00::/8", true],
    ["wss://[fd00::1]:7070", "[fd00::1]:7070", true],
    ["wss://skerry.test", "10.0.0.0/8", false],
    ["wss://10.1.2.3", "10.0.0.0/99", false],
    ["wss://skerry.test", " , ", false],
  ])("%s is reached directly with NO_PROXY=%s: %s", (url, list, isDirect) =>
    expect(through(url, { ...PROXIES, NO_PROXY: list }) === undefined).toBe(isDirect),
  );

  it("must be an http or https URL, and its text is not shown", () => {
    expect(() => through("wss://skerry.test", { HTTPS_PROXY: "socks5://me:secret@x" })).toThrow(
      /^HTTPS_PROXY \(or ALL_PROXY\) is no URL of an http or https proxy$/,
    );
  });
});
