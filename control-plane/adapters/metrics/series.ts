import { Counter, Histogram, type Registry } from "prom-client";
import { Tally } from "./buffered.ts";

/** From 1 ms to the longest deadline, in seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** From a moment to a month, in seconds: phases of rollouts wait for callers, approvals and nodes that are away. */
const LONG_SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 604_800, 2_592_000];

/** Every series that grows as things happen, registered in `registry`. Those of inferences are buffered, or tallied. */
export function registerSeries(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Counter({
      name: "skerry_http_requests_total",
      help: "Answered HTTP requests",
      labelNames: ["route", "method", "code"],
      registers,
    }),
    requestSeconds: new Histogram({
      name: "skerry_http_request_duration_seconds",
      help: "From the arrival of a request until its answer began",
      labelNames: ["route"],
      buckets: SECONDS,
      registers,
    }),
    inferences: new Tally({
      name: "skerry_inferences_total",
      help: "Answered inferences by model, version and error code",
      labelNames: ["model", "version", "code"],
      registers,
    }),
    nodeInferences: new Tally({
      name: "skerry_node_answers_total",
      help: "Inferences that came to their end at a node, by error code: the share and the faults of each node",
      labelNames: ["node", "code"],
      registers,
    }),
    routes: new Tally({
      name: "skerry_routes_total",
      help: "Inferences by the reason of their route, as in the header Skerry-Route",
      labelNames: ["reason"],
      registers,
    }),
    queueSeconds: new Histogram({
      name: "skerry_inference_queue_seconds",
      help: "Time of an inference in its node's queue",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    }),
    computeSeconds: new Histogram({
      name: "skerry_inference_compute_seconds",
      help: "Time of the run that answered an inference",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    }),
    inferenceSeconds: new Histogram({
      name: "skerry_inference_duration_seconds",
      help: "From the arrival of an inference until its answer",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    }),
    tokens: new Counter({
      name: "skerry_text_tokens_total",
      help: "Tokens of requests for text, answered whole or in part: of prompts, of prompts that were in the cache, of answers",
      labelNames: ["model", "kind"],
      registers,
    }),
    firstTokenSeconds: new Histogram({
      name: "skerry_text_first_token_seconds",
      help: "From the arrival of a request for text until its first token",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    }),
    tokenSeconds: new Histogram({
      name: "skerry_text_token_seconds",
      help: "Mean time of a token of an answer, after its first",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    }),
    embeddingTokens: new Counter({
      name: "skerry_embedding_tokens_total",
      help: "Tokens of texts that were answered by their embeddings",
      labelNames: ["model"],
      registers,
    }),
    limitsReached: new Counter({
      name: "skerry_limits_reached_total",
      help: "Requests that were refused because of a limit of their key or address",
      labelNames: ["limit"],
      registers,
    }),
    nodeSocketsEnded: new Counter({
      name: "skerry_node_sockets_ended_total",
      help: "Sockets of nodes that the control plane ended, by the reason",
      labelNames: ["reason"],
      registers,
    }),
    logins: new Counter({
      name: "skerry_logins_total",
      help: "Sessions in browsers that were asked for, by what was shown and whether it was taken",
      labelNames: ["by", "outcome"],
      registers,
    }),
    eventsDropped: new Counter({
      name: "skerry_events_dropped_total",
      help: "Events that were not kept: a node's log beyond its budget, or too many while PostgreSQL is away",
      registers,
    }),
    cascades: new Counter({
      name: "skerry_cascades_total",
      help: "Requests of cascades for which a rule asked for the large model, by what became of that; rule none: the cascade was closed before",
      labelNames: ["deployment", "rule", "outcome"],
      registers,
    }),
    cascadeComparisons: new Counter({
      name: "skerry_cascade_comparisons_total",
      help: "Requests of cascades that both models answered, by whether they decide alike",
      labelNames: ["deployment", "agrees"],
      registers,
    }),
    cascadeBytes: new Counter({
      name: "skerry_cascade_uploaded_bytes_total",
      help: "Bytes of requests that went to cloud nodes because of a cascade",
      labelNames: ["deployment"],
      registers,
    }),
    rolloutSteps: new Counter({
      name: "skerry_rollout_steps_total",
      help: "What rollouts did: started, waves that passed, ends, and what held them up",
      labelNames: ["deployment", "step"],
      registers,
    }),
    rolloutReturns: new Counter({
      name: "skerry_rollout_returns_total",
      help: "Rollouts that return to the version before, by the check that failed or what else was the reason",
      labelNames: ["deployment", "reason"],
      registers,
    }),
    rolloutPauses: new Counter({
      name: "skerry_rollout_pauses_total",
      help: "Rollouts that paused and wait for an operator, by the reason",
      labelNames: ["deployment", "reason"],
      registers,
    }),
    rolloutChecks: new Counter({
      name: "skerry_rollout_checks_total",
      help: "Checks of the gates of rollouts that became certain",
      labelNames: ["check", "result"],
      registers,
    }),
    rolloutPhaseSeconds: new Histogram({
      name: "skerry_rollout_phase_seconds",
      help: "Time that rollouts were in a phase that they left",
      labelNames: ["phase"],
      buckets: LONG_SECONDS,
      registers,
    }),
    rolloutRequests: new Tally({
      name: "skerry_rollout_requests_total",
      help: "Requests that the gates of rollouts counted, of both versions",
      labelNames: ["deployment", "version", "from", "outcome"],
      registers,
    }),
    rolloutComparisons: new Counter({
      name: "skerry_rollout_comparisons_total",
      help: "Requests of rollouts that both versions answered, by whether they decide alike",
      labelNames: ["deployment", "agrees"],
      registers,
    }),
    pushed: new Counter({
      name: "skerry_pushed_bytes_total",
      help: "Bytes of artifacts sent to nodes",
      registers,
    }),
    objectStoreSeconds: new Histogram({
      name: "skerry_object_store_seconds",
      help: "From a request to the object store until its answer began, with its repetitions",
      labelNames: ["operation", "outcome"],
      buckets: SECONDS,
      registers,
    }),
  };
}

export type Series = ReturnType<typeof registerSeries>;
