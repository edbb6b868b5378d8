import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort, until } from "../../support/processes/skerry-process.ts";

export interface ReverseProxy {
  readonly port: number;
  /** Of its master process. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** nginx in front of one port of this machine, with kept connections and no log; undefined where nginx is not installed. */
export async function startNginx(upstreamPort: number): Promise<ReverseProxy | undefined> {
  if (spawnSync("nginx", ["-v"]).status !== 0) return undefined;
  const directory = await mkdtemp(path.join(tmpdir(), "skerry-nginx-"));
  const port = await freePort();
  const config = path.join(directory, "nginx.conf");
  await writeFile(
    config,
    `
daemon off; worker_processes 1; pid ${directory}/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 16m; client_body_buffer_size 16m; proxy_request_buffering on;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  keepalive_requests 10000000;
  upstream worker { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { proxy_pass http://worker; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 64k; }
  }
}`,
  );
  const child = spawn("nginx", ["-c", config, "-p", directory], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await until("nginx answers", async () => (await fetch(`http://127.0.0.1:${port}/v2`).catch(() => undefined))?.ok);
  return {
    port,
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
