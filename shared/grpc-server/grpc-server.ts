import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { fileURLToPath } from "node:url";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { InferenceFront } from "../inference/grpc/front.ts";
import { createService } from "../inference/grpc/service.ts";
import { LOADER_OPTIONS, serverOptions } from "../inference/grpc/server-options.ts";

const PROTO = fileURLToPath(new URL("../inference/grpc/open-inference.proto", import.meta.url));

interface Parts {
  readonly front: InferenceFront;
  /** Of a request's tensors. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Proxies in front that add to `x-forwarded-for`; 0: it is not believed. */
  readonly trustedProxies: number;
}

/** The Open Inference Protocol over gRPC at the control plane and at nodes, on a port of its own and without TLS, as the HTTP API is. */
export class GrpcServer {
  readonly #server: Server;
  readonly #clock: Clock;

  constructor(parts: Parts) {
    this.#server = new Server(serverOptions(parts.maxBodyBytes));
    this.#clock = parts.clock;
    const toMetadata = (entries: Readonly<Record<string, string>>): Metadata => Metadata.fromHttp2Headers(entries);
    this.#server.addService(serviceDefinition(), createService({ ...parts, toMetadata, calendar: () => Date.now() }));
  }

  /** Resolves with the port, which is the system's choice for `port` 0. Rejects when it is taken. */
  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
  }

  /** Accepts nothing more and lets running calls end, for `drainMs` at most; 0: closes them at once. */
  async stop(drainMs: number): Promise<void> {
    if (drainMs === 0) return this.#server.forceShutdown();
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(drainMs, () => this.#server.forceShutdown());
      this.#server.tryShutdown(() => {
        cancel();
        resolve();
      });
    });
  }
}

function serviceDefinition() {
  const { inference } = loadPackageDefinition(loadSync(PROTO, LOADER_OPTIONS));
  const { GRPCInferenceService } = inference as Readonly<Record<string, ServiceClientConstructor>>;
  if (GRPCInferenceService === undefined) throw new Error(`${PROTO} defines no GRPCInferenceService`);
  return GRPCInferenceService.service;
}
