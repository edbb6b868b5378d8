import type { TensorSpec } from "../../../shared/protocol/model-files/manifest.ts";
import type { EngineModel } from "../../../shared/text/engine-model.ts";
import type { ModelKind } from "../../../shared/text/model-kind.ts";
import { Cancellation } from "../../../shared/flow/cancellation.ts";
import { isHostFailure } from "../../app/hosts/host-failure.ts";
import type { HostExit, HostRequest, HostResponse, HostSpec, ModelHost } from "../../ports/model-hosts.ts";
import type { EngineClient } from "./engine-client.ts";
import { engineFailure } from "./engine-failure.ts";
import type { SlotShare } from "./engine-slots.ts";
import type { EngineWatch } from "./engine-watch.ts";
import { askOip } from "./oip-engine.ts";
import { refusal } from "./engine-faults.ts";
import { askOpenAi } from "./openai/openai-engine.ts";
import type { StreamedText } from "./openai/streamed-text.ts";

interface Parts {
  readonly spec: HostSpec;
  readonly model: EngineModel;
  readonly client: EngineClient;
  readonly watch: EngineWatch;
  readonly slots: number;
  /** Which of them it takes. */
  readonly share: SlotShare;
  readonly loadMs: number;
  readonly warmUs: number;
}

const NO_OTHERS: { readonly running: number; readonly waiting: number } = { running: 0, waiting: 0 };
const OUT_OF_SERVICE = "the node took the model out of service";
const NO_MEMORY = { limitMiB: 0, privateMiB: 0 } as const;

/**
 * One model of an engine, as the node serves it. No process is started: the host is there as long as the engine answers and
 * lists the model, and exits when it does not, as a process would.
 */
export class EngineHost implements ModelHost {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly loadMs: number;
  readonly warmUs: number;
  readonly measuredMiB = undefined;
  readonly mayShare = undefined;
  readonly slots: number;
  readonly sharedSlots: SlotShare;
  readonly asks: ModelKind;
  readonly noBatchReason = "the engine decides which requests share its steps";
  readonly exited: Promise<HostExit>;
  readonly #parts: Parts;
  readonly #exit: (exit: HostExit) => void;
  readonly #unwatch: readonly (() => void)[];
  /** Requests of others at the last look. */
  #others = NO_OTHERS;
  /** Answers in text that are under way. */
  readonly #open = new Set<StreamedText>();
  /** Requests that have no answer yet. */
  readonly #asked = new Set<Cancellation>();
  #onIdle: (() => void) | undefined;
  #ended: HostExit | undefined;

  constructor(parts: Parts) {
    const { spec, model, slots, loadMs, warmUs, watch } = parts;
    this.#parts = parts;
    this.inputs = spec.engine?.inputs ?? [];
    this.outputs = spec.engine?.outputs ?? [];
    this.slots = slots;
    this.sharedSlots = parts.share;
    this.loadMs = loadMs;
    this.warmUs = warmUs;
    this.asks = model.kind;
    const { promise, resolve } = Promise.withResolvers<HostExit>();
    this.exited = promise;
    this.#exit = resolve;
    this.#unwatch = [watch.onChange(() => this.#look()), watch.onLook(() => this.#count())];
    this.#count();
    this.#look(); // it may have gone while it was tried
  }

  rssMiB(): number {
    return 0;
  }

  memory(): typeof NO_MEMORY {
    return NO_MEMORY;
  }

  async raiseMemory(): Promise<void> {
    // It has no limit.
  }

  /** What the engine does for others, as far as it counts its requests: what it said at the last look, less what this node had there. */
  others(): { readonly running: number; readonly waiting: number } {
    return this.#others;
  }

  get #inFlight(): number {
    return this.sharedSlots.taken;
  }

  #count(): void {
    const { watch, model } = this.#parts;
    const load = watch.loadOf(model.model);
    if (load === undefined) this.#others = NO_OTHERS;
    else {
      const ours = this.#inFlight + (load.isOfAll ? this.sharedSlots.takenByOthers : 0);
      const running = Math.max(0, Math.round(load.running) - ours);
      const waiting = Math.max(0, Math.round(load.running + load.waiting) - ours - running);
      this.#others = { running, waiting };
    }
  }

  async infer(request: HostRequest): Promise<HostResponse> {
    const { watch, spec } = this.#parts;
    if (request.explain === true)
      return refusal("NOT_SERVED", `an engine executes ${spec.model}, and it explains no answers; ask /infer`);
    this.sharedSlots.take();
    const left = (): void => {
      this.sharedSlots.give();
      if (this.#inFlight > 0) return;
      this.#onIdle?.();
      if (this.#ended !== undefined) this.sharedSlots.leave();
    };
    let leavesLater = false;
    try {
      const answer = await this.#ask(request);
      if (answer.code === "MODEL_NOT_READY") watch.suspect();
      if (!(answer.body instanceof Uint8Array)) {
        leavesLater = true;
        void answer.body.ended.then((end) => {
          left();
          if (end.kind === "failed" && end.code === "HOST_CRASHED") watch.suspect();
        });
      }
      return answer;
    } catch (error) {
      if (isHostFailure(error)) watch.suspect();
      throw error;
    } finally {
      if (!leavesLater) left();
    }
  }

  /** Until its answer begins a stop ends it like a caller who goes away, and it was a crash for its caller. */
  async #ask(request: HostRequest): Promise<HostResponse> {
    const asked = new Cancellation();
    request.cancellation?.onCancel(() => asked.cancel());
    this.#asked.add(asked);
    try {
      const answer = await this.#send({ ...request, cancellation: asked });
      if (answer.code !== "CANCELLED" || request.cancellation?.isCancelled === true || !asked.isCancelled)
        return answer;
      throw engineFailure(OUT_OF_SERVICE, { wasSent: true });
    } finally {
      this.#asked.delete(asked);
    }
  }

  #send(request: HostRequest): Promise<HostResponse> {
    const { client, model, spec } = this.#parts;
    if (model.kind === "tensors")
      return askOip(request, { client, model: model.model, names: { model: spec.model, version: spec.version } });
    const onAnswer = (answer: StreamedText): void => {
      this.#open.add(answer);
      void answer.pieces.stream.ended.then(() => this.#open.delete(answer));
    };
    return askOpenAi(request, { client, model: model.model, version: spec.version, onAnswer });
  }

  /** Resolves when the requests under way have ended, or after `graceMs`; the engine runs on. */
  async stop(graceMs: number): Promise<void> {
    if (this.#inFlight > 0 && graceMs > 0) await this.#idle(graceMs);
    for (const answer of this.#open) answer.abort(OUT_OF_SERVICE);
    for (const asked of this.#asked) asked.cancel();
    this.#end({ code: "HOST_CRASHED", reason: "stopped by the agent" });
  }

  #idle(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #look(): void {
    const why = this.#parts.watch.whyNot(this.#parts.model.model);
    if (why !== undefined) this.#end({ code: this.#parts.watch.failure, reason: why });
  }

  #end(exit: HostExit): void {
    if (this.#ended !== undefined) return;
    this.#ended = exit;
    for (const call of this.#unwatch) call();
    this.sharedSlots.leave();
    this.#exit(exit);
  }
}
