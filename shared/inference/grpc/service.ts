import { Cancellation } from "../../flow/cancellation.ts";
import { callerAddress } from "../../base/network/caller-address.ts";
import { isSkerryError } from "../../base/errors.ts";
import type { Logger } from "../../base/logging/logger.ts";
import { requestIdFrom } from "../../base/request-id.ts";
import { MAX_DEADLINE_MS } from "../../protocol/limits.ts";
import { modelConfig } from "../http/documents.ts";
import { asSkerryError } from "../http/error-response.ts";
import type { ModelTarget } from "../http/path.ts";
import type { CallFacts, InferenceFront } from "./front.ts";
import { toParameters, toRequestBody, toResponseMessage } from "./infer-messages.ts";
import type { ChangeMessage, InferRequestMessage, InferResponseMessage, NamedModel, ParameterMap } from "./messages.ts";
import { grpcStatusOf, type Refusal, refusalOf, trailersOf } from "./status.ts";

/** The parts of grpc-js that are used here: `shared/` imports no library of the network. */
interface Call<Metadata> {
  readonly metadata: { get(name: string): readonly (string | Uint8Array)[] };
  getDeadline(): Date | number;
  getPeer(): string;
  sendMetadata(metadata: Metadata): void;
  on(event: "cancelled", listener: () => void): unknown;
}

interface UnaryCall<Request, Metadata> extends Call<Metadata> {
  readonly request: Request;
}

interface DuplexCall<Request, Metadata> extends Call<Metadata>, AsyncIterable<Request> {
  write(message: object): boolean;
  once(event: "drain" | "close", listener: () => void): unknown;
  end(): unknown;
  emit(event: "error", error: object): unknown;
}

type Callback = (error: object | null, message?: object) => void;

interface Parts<Metadata> {
  readonly front: InferenceFront;
  /** The calendar by which grpc-js makes instants of deadlines. */
  readonly calendar: () => number;
  readonly logger: Logger;
  readonly toMetadata: (entries: Readonly<Record<string, string>>) => Metadata;
  /** Proxies in front that add to `x-forwarded-for`; 0: it is not believed. */
  readonly trustedProxies: number;
}

/** The handlers of `GRPCInferenceService`: messages to the front's words, errors to statuses. */
export function createService<Metadata>(parts: Parts<Metadata>) {
  const { front } = parts;
  const unary =
    <Request>(handle: (request: Request, call: Call<Metadata>, facts: CallFacts) => Promise<object>) =>
    async (call: UnaryCall<Request, Metadata>, callback: Callback): Promise<void> => {
      const facts = factsOf(call, parts);
      let message: object;
      try {
        message = await handle(call.request, call, facts);
      } catch (thrown) {
        return callback(failure(refusalFrom(thrown, facts)));
      }
      callback(null, message);
    };
  const failure = (refusal: Refusal): object => ({
    code: grpcStatusOf(refusal.code),
    details: refusal.text,
    metadata: parts.toMetadata(trailersOf(refusal)),
  });

  function refusalFrom(thrown: unknown, { requestId }: CallFacts): Refusal {
    if (isRefused(thrown)) return thrown.refusal;
    const error = asSkerryError(thrown, requestId);
    if (error.code === "INTERNAL") parts.logger.error({ requestId, err: error.cause ?? thrown }, "a gRPC call failed");
    return refusalOf(error);
  }

  async function infer(
    request: InferRequestMessage,
    facts: CallFacts,
  ): Promise<{ readonly message: InferResponseMessage; readonly headers: Readonly<Record<string, string>> }> {
    const target = { model: request.model_name, version: request.model_version || undefined };
    const outcome = await front.infer(facts, target, toRequestBody(request));
    if (outcome.kind === "refused") throw new Refused(outcome);
    return { message: toResponseMessage(outcome.body, outcome.headerLength), headers: outcome.headers };
  }

  async function stream(call: DuplexCall<InferRequestMessage, Metadata>): Promise<void> {
    for await (const request of call) {
      const facts = factsOf(call, parts);
      const answer = await infer(request, facts).then(
        ({ message }) => ({ error_message: "", infer_response: message }),
        (thrown: unknown) => {
          const refusal = refusalFrom(thrown, facts);
          if (refusal.code === "UNAUTHENTICATED") return refusal;
          return { error_message: refusal.text, infer_response: { id: request.id } };
        },
      );
      if ("code" in answer) return void call.emit("error", failure(answer));
      if (!call.write(answer)) await drained(call);
    }
    call.end();
  }

  return {
    ServerLive: unary(async () => ({ live: true })),
    ServerReady: unary(async () => ({ ready: front.isServerReady() })),
    ServerMetadata: unary(async () => front.serverMetadata()),
    ModelReady: unary(async (request: NamedModel, _call, facts) => ({
      ready: await front.isModelReady(facts, targetOf(request)),
    })),
    ModelMetadata: unary((request: NamedModel, _call, facts) => front.modelMetadata(facts, targetOf(request))),
    ModelConfig: unary(async (request: NamedModel, _call, facts) => ({
      config: modelConfig(await front.modelMetadata(facts, targetOf(request))),
    })),
    ModelStatistics: unary(async (request: NamedModel, _call, facts) => ({
      model_stats: await front.statistics(facts, request.name === "" ? undefined : targetOf(request)),
    })),
    ModelInfer: unary(async (request: InferRequestMessage, call, facts) => {
      const { message, headers } = await infer(request, facts);
      call.sendMetadata(parts.toMetadata(headers));
      return message;
    }),
    ModelStreamInfer: (call: DuplexCall<InferRequestMessage, Metadata>): void => {
      stream(call).catch((thrown: unknown) => {
        // A stream that its caller has reset throws while it is read: nobody is left to answer.
        if (isSkerryError(thrown)) call.emit("error", failure(refusalOf(thrown)));
      });
    },
    RepositoryIndex: unary(async (request: { readonly ready: boolean }, _call, facts) => ({
      models: await front.repositoryIndex(facts, { readyOnly: request.ready }),
    })),
    RepositoryModelLoad: unary((request: ChangeMessage, _call, facts) => change("load", request, facts)),
    RepositoryModelUnload: unary((request: ChangeMessage, _call, facts) => change("unload", request, facts)),
  };

  async function change(
    verb: "load" | "unload",
    { model_name: model, parameters }: ChangeMessage,
    facts: CallFacts,
  ): Promise<object> {
    await front.changeRepository(facts, { verb, model, parameters: toParameters(parameters as ParameterMap) });
    return {};
  }
}

/** Carries a refusal that names a node's own words. */
class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.text);
    this.name = "Refused";
    this.refusal = refusal;
  }
}

const isRefused = (thrown: unknown): thrown is Refused => Error.isError(thrown) && thrown.name === "Refused";

const targetOf = ({ name, version }: NamedModel): ModelTarget => ({
  model: name,
  version: version === "" ? undefined : version,
});

function factsOf<Metadata>(call: Call<Metadata>, { calendar, trustedProxies }: Parts<Metadata>): CallFacts {
  const header = (name: string): string | undefined => {
    const [value] = call.metadata.get(name);
    return typeof value === "string" ? value : undefined;
  };
  const cancellation = new Cancellation();
  call.on("cancelled", () => cancellation.cancel());
  return {
    header,
    requestId: requestIdFrom(header("x-request-id")),
    address: callerAddress({
      peer: withoutPort(call.getPeer()),
      forwardedFor: call.metadata.get("x-forwarded-for").join(","),
      trustedProxies,
    }),
    timeoutMs: timeLeft(call.getDeadline(), calendar),
    cancellation,
  };
}

/** Of `127.0.0.1:50412` and `::1:50412`; grpc-js always adds the port. */
const withoutPort = (peer: string): string => peer.replace(/:\d+$/, "");

/** Undefined without a deadline. One beyond the longest that is served counts as that. */
function timeLeft(deadline: Date | number, calendar: () => number): number | undefined {
  const at = typeof deadline === "number" ? deadline : deadline.getTime();
  if (!Number.isFinite(at)) return undefined;
  return Math.min(MAX_DEADLINE_MS, Math.max(1, Math.ceil(at - calendar())));
}

const drained = <Metadata>(call: DuplexCall<InferRequestMessage, Metadata>): Promise<void> =>
  new Promise((resolve) => {
    call.once("drain", resolve);
    call.once("close", resolve);
  });
