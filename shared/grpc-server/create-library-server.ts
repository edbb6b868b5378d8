import { loadPackageDefinition, Metadata, Server, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { fileURLToPath } from "node:url";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logging/logger.ts";
import type { CertificateSource } from "../base/network/server-certificate.ts";
import type { InferenceFront } from "../inference/grpc/front.ts";
import { LOADER_OPTIONS, serverOptions } from "../inference/grpc/server-options.ts";
import { createService } from "../inference/grpc/service.ts";

const PROTO = fileURLToPath(new URL("../inference/grpc/open-inference.proto", import.meta.url));

export interface GrpcParts {
  readonly front: InferenceFront;
  /** Of a request's tensors. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Proxies in front that add to `x-forwarded-for`; 0: it is not believed. */
  readonly trustedProxies: number;
  /** Left out: without TLS. */
  readonly certificates?: CertificateSource | undefined;
}

/** The library's server with the service of `open-inference.proto`, which listens nowhere yet. */
export function createLibraryServer(parts: GrpcParts): Server {
  const server = new Server(serverOptions(parts.maxBodyBytes));
  const toMetadata = (entries: Readonly<Record<string, string>>): Metadata => Metadata.fromHttp2Headers(entries);
  server.addService(serviceDefinition(), createService({ ...parts, toMetadata, calendar: () => Date.now() }));
  return server;
}

function serviceDefinition() {
  const { inference } = loadPackageDefinition(loadSync(PROTO, LOADER_OPTIONS));
  const { GRPCInferenceService } = inference as Readonly<Record<string, ServiceClientConstructor>>;
  if (GRPCInferenceService === undefined) throw new Error(`${PROTO} defines no GRPCInferenceService`);
  return GRPCInferenceService.service;
}
