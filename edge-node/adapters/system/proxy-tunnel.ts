import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";

/**
 * A connection to `host:port` through a proxy (CONNECT, RFC 9110, 9.3.6). What travels through it is the caller's: with TLS
 * the proxy sees the name and no byte more. Rejects when the proxy refuses, and when `signal` is aborted before it is open.
 */
export function openTunnel(
  proxy: URL,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const send = proxy.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send({
      method: "CONNECT",
      host: proxy.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port),
      path: target,
      agent: false,
      headers: { Host: target, ...credentialsOf(proxy) },
    });
    const onAbort = (): void => {
      request.destroy(signal.reason instanceof Error ? signal.reason : new Error("called off"));
    };
    const done = (): void => signal.removeEventListener("abort", onAbort);
    request.on("connect", ({ statusCode }, socket, head) => {
      done();
      if (head.length > 0) socket.unshift(head);
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${statusCode} to CONNECT ${target}`));
    });
    request.on("response", ({ statusCode }) => {
      done();
      request.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${statusCode} to CONNECT ${target}`));
    });
    request.on("error", (error) => {
      done();
      reject(new Error(`no tunnel through the proxy ${proxy.host}: ${error.message}`, { cause: error }));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    request.end();
  });
}

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "Proxy-Authorization": `Basic ${Buffer.from(text).toString("base64")}` };
}
