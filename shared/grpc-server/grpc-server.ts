import type { Server } from "@grpc/grpc-js";
import type { GrpcParts } from "./create-library-server.ts";

/**
 * The Open Inference Protocol over gRPC at the control plane and at nodes, on a port of its own, with TLS where the HTTP API
 * has it. The library is loaded when the port is opened: it costs a start 80 ms of CPU and 5 MiB, and gRPC is off unless it is set.
 */
export class GrpcServer {
  readonly #parts: GrpcParts;
  #server: Server | undefined;

  constructor(parts: GrpcParts) {
    this.#parts = parts;
  }

  /** Resolves with the port, which is the system's choice for `port` 0. Rejects when it is taken. */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
    const [{ createLibraryServer }, { serverCredentials }] = await Promise.all([
      import("./create-library-server.ts"),
      import("./server-credentials.ts"),
    ]);
    const server = createLibraryServer(this.#parts);
    this.#server = server;
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    return new Promise((resolve, reject) => {
      server.bindAsync(address, serverCredentials(this.#parts.certificates), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
  }

  /** Accepts nothing more and lets running calls end, for `drainMs` at most; 0: closes them at once. */
  async stop(drainMs: number): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    if (drainMs === 0) return server.forceShutdown();
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.after(drainMs, () => server.forceShutdown());
      server.tryShutdown(() => {
        cancel();
        resolve();
      });
    });
  }
}
