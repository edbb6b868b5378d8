import { BlockList, isIP } from "node:net";
import { isLoopback } from "../../../shared/base/network/loopback.ts";

/**
 * The proxy through which a URL is reached, by the variables that other programs read: HTTPS_PROXY for https and wss,
 * HTTP_PROXY for http and ws, ALL_PROXY for both, and NO_PROXY for what is reached directly; lower-case names go first.
 * Undefined: none. Loopback is always reached directly. Throws when a variable holds no http or https URL.
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isLoopback(url.hostname) || isLoopback(host) || isExcepted(url, host, setting(env, "NO_PROXY"))) return undefined;
  const isTls = url.protocol === "https:" || url.protocol === "wss:";
  const name = isTls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const text = setting(env, name) || setting(env, "ALL_PROXY");
  if (text === "") return undefined;
  const proxy = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (proxy === null || (proxy.protocol !== "http:" && proxy.protocol !== "https:"))
    throw new Error(`${name} (or ALL_PROXY) is no URL of an http or https proxy`); // not its text: it may hold a password
  return proxy;
}

const setting = (env: NodeJS.ProcessEnv, name: string): string => env[name.toLowerCase()] ?? env[name] ?? "";

/** NO_PROXY: names with what is below them, addresses, networks such as 10.0.0.0/8, each perhaps with a port; `*` for all. */
function isExcepted(url: URL, host: string, list: string): boolean {
  const port = url.port === "" ? (url.protocol === "https:" || url.protocol === "wss:" ? "443" : "80") : url.port;
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      if (entry.includes("/")) return isInNetwork(host, entry);
      const [, name = "", onlyPort] = /^(\[[^\]]*\]|[^:]*|[0-9a-f:]*:[0-9a-f:]*)(?::(\d+))?$/i.exec(entry) ?? [];
      if (onlyPort !== undefined && onlyPort !== port) return false;
      const bare = name
        .replace(/^\*?\./, "")
        .replace(/^\[(.*)\]$/, "$1")
        .toLowerCase();
      return bare !== "" && (host.toLowerCase() === bare || host.toLowerCase().endsWith(`.${bare}`));
    });
}

function isInNetwork(host: string, network: string): boolean {
  const family = isIP(host);
  const [address = "", prefix] = network.split("/");
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(prefix ?? "")) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  if (Number(prefix) > (family === 4 ? 32 : 128)) return false;
  const block = new BlockList();
  block.addSubnet(address, Number(prefix), type);
  return block.check(host, type);
}
