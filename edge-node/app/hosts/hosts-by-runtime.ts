import type { HostSpec, ModelHost, ModelHosts } from "../../ports/model-hosts.ts";

interface Parts {
  /** Child processes of this node. */
  readonly processes: ModelHosts;
  /** Engines beside it. */
  readonly engines: ModelHosts;
}

/** Starts a model where its manifest says that it runs. */
export class HostsByRuntime implements ModelHosts {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(spec: HostSpec, onPhase: (phase: "loading" | "warming") => void, signal: AbortSignal): Promise<ModelHost> {
    const { processes, engines } = this.#parts;
    return (spec.engine === undefined ? processes : engines).start(spec, onPhase, signal);
  }
}
