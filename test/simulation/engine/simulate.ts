import { AnswerTimes } from "../../../control-plane/core/routing/answer-times.ts";
import { attemptTimeoutMs } from "../../../control-plane/core/routing/attempt-timeout.ts";
import { RetryBudget } from "../../../control-plane/core/routing/retry-budget.ts";
import { seededRandom } from "../../../shared/base/random.ts";
import { lognormal, type Draw } from "./chance.ts";
import { EventQueue } from "./event-queue.ts";
import type { Policy, PolicyOf } from "./policies.ts";
import { SimNode, type Job, type JobEnd } from "./sim-node.ts";
import { capacityOf, type World } from "./world.ts";

export interface Setup {
  readonly world: World;
  readonly policy: PolicyOf;
  readonly seed: number;
  /** Share of the capacity that is asked for, at an instant in ms. */
  readonly load: (now: number) => number;
  readonly seconds: number;
  readonly service?: Draw;
  /** Load reports every so many ms. */
  readonly reportMs?: number;
  readonly piggyback?: boolean;
  /** The nodes take and start every request, as a server without admission does. */
  readonly takesAll?: boolean;
  readonly deadlineMs?: number;
  /** An attempt without an answer is given up after this time. */
  readonly attemptMs?: number;
  readonly retries?: boolean;
  readonly hedges?: boolean;
  /** Routers that do not know of each other's requests; each request comes to one of them. */
  readonly routers?: number;
  /** Share of the requests that go first in a queue. */
  readonly highShare?: number;
  /** Share of a node's own capacity that callers at the node itself ask for, past the router. */
  readonly localLoad?: (node: number) => number;
  /** Plans what happens to the nodes. */
  readonly faults?: (events: EventQueue, nodes: readonly SimNode[]) => void;
}

export interface Outcome {
  /** In the order of their end: when the request came and how long its answer took, in ms; NaN: none came in time. */
  readonly arrivedAt: readonly number[];
  readonly tookMs: readonly number[];
  /** Whether it went first in queues. */
  readonly isHigh: readonly boolean[];
  /** Nodes that were asked, by the node's index: when. */
  readonly sentAt: readonly (readonly number[])[];
  /** Time that nodes spent running, in ms. */
  readonly busyMs: number;
  /** The part of it that went into second tries. */
  readonly copyMs: number;
}

interface Request {
  readonly policy: Policy;
  readonly priority: number;
  readonly arrivedAt: number;
  readonly deadline: number;
  readonly asked: number[];
  readonly jobs: Job[];
  isDone: boolean;
}

const LINK_JITTER = lognormal(0.1);
const SERVICE = lognormal(0.8);
/** The reserves of `Telemetry`. */
const RETRY_RESERVE = 100;
const HEDGE_RESERVE = 10;

/** Runs one seeded world from an empty start to `seconds`. Same setup, same outcome. */
export function simulate(setup: Setup): Outcome {
  const { world, seed, load, deadlineMs = 60_000, service = SERVICE, takesAll = false } = setup;
  const events = new EventQueue();
  // One stream for each source of chance: policies are compared on the same requests of the same sizes.
  const [arrivals, sizes, links, choices, again] = [1, 2, 3, 4, 5].map((part) => seededRandom(seed * 100 + part)) as [
    ReturnType<typeof seededRandom>,
    ReturnType<typeof seededRandom>,
    ReturnType<typeof seededRandom>,
    ReturnType<typeof seededRandom>,
    ReturnType<typeof seededRandom>,
  ];
  const nodes = world.nodes.map(({ slots, meanMs }) => new SimNode(events, { slots, meanMs, takesAll }));
  const { routers = 1, highShare = 0 } = setup;
  const policies = Array.from({ length: routers }, () => setup.policy(world, choices));
  const classes = seededRandom(seed * 100 + 7);
  const retryBudget = new RetryBudget(RETRY_RESERVE);
  const hedgeBudget = new RetryBudget(HEDGE_RESERVE);
  const answerTimes = new AnswerTimes();
  const arrivedAt: number[] = [];
  const tookMs: number[] = [];
  const isHigh: boolean[] = [];
  const sentAt: number[][] = nodes.map(() => []);

  const oneWay = (node: number): number => (world.rttMs(node) / 2) * LINK_JITTER(links);
  const of = <Item>(items: readonly Item[], index: number): Item => items[index] as Item;

  function arrive(): void {
    const { now } = events;
    const policy = of(policies, routers === 1 ? 0 : Math.floor(classes.next() * routers));
    const priority = highShare > 0 && classes.next() < highShare ? 1 : 0;
    const deadline = now + deadlineMs;
    const request: Request = { policy, priority, arrivedAt: now, deadline, asked: [], jobs: [], isDone: false };
    retryBudget.earn();
    if (!ask(request, service(sizes))) return finish(request, false);
    const hedgeAfterMs = setup.hedges ? answerTimes.hedgeAfterMs : undefined;
    if (hedgeAfterMs === undefined) return;
    hedgeBudget.earn();
    events.after(hedgeAfterMs, () => {
      if (request.isDone || request.asked.length > 1 || !hedgeBudget.spend()) return;
      ask(request, service(again));
    });
  }

  /** False when the policy refuses. */
  function ask(request: Request, size: number): boolean {
    const { policy, priority } = request;
    const timeLeftMs = request.deadline - events.now;
    const choice = policy.choose({ now: events.now, timeLeftMs, asked: request.asked });
    if (!choice) return false;
    const { node } = choice;
    let isOpen = true;
    /** The attempt ends for the router, once. */
    const close = (note: () => void): boolean => {
      if (!isOpen) return false;
      isOpen = false;
      note();
      return true;
    };
    const job: Job = {
      size,
      priority,
      deadline: request.deadline - world.rttMs(node) / 2,
      isCancelled: false,
      isCopy: request.asked.length > 0,
      onEnd(end, figures) {
        policy.ranAt(node);
        events.after(oneWay(node), () => {
          const isFresh = close(() => {
            if (job.isCancelled) policy.abandoned(node);
            else if (end === "failed") policy.failed(node, events.now);
            else policy.answered(node, setup.piggyback === false ? undefined : figures, events.now);
          });
          if (isFresh) ended(request, job, end);
        });
      },
    };
    request.asked.push(node);
    request.jobs.push(job);
    of(sentAt, node).push(events.now);
    policy.sent(node, events.now);
    events.after(oneWay(node), () => of(nodes, node).take(job));
    const waitMs = Math.min(timeLeftMs, request.asked.length === 1 ? (setup.attemptMs ?? Infinity) : Infinity);
    if (waitMs < 60_000) {
      events.after(waitMs, () => {
        // As in `recordAndTranslate`: a missed deadline speaks against a node that had ample time alone.
        const hadAmpleTime = waitMs >= attemptTimeoutMs(choice.etaMs);
        const isSilent = close(() => (hadAmpleTime ? policy.failed(node, events.now) : policy.abandoned(node)));
        if (!isSilent) return;
        job.isCancelled = true;
        ended(request, job, "failed");
      });
    }
    return true;
  }

  function ended(request: Request, job: Job, end: JobEnd): void {
    if (request.isDone) return;
    const isInTime = events.now <= request.deadline;
    if (end === "done") return finish(request, isInTime, job);
    const isOther = request.jobs.some((other) => other !== job && !other.isCancelled);
    if (isOther && setup.hedges) return; // its answer is still to come
    const mayRetry = setup.retries === true && isInTime && request.asked.length === 1;
    if (!mayRetry || (end === "failed" && !retryBudget.spend())) return finish(request, false);
    if (!ask(request, service(again))) finish(request, false);
  }

  function finish(request: Request, isAnswered: boolean, by?: Job): void {
    request.isDone = true;
    for (const job of request.jobs) if (job !== by) job.isCancelled = true;
    arrivedAt.push(request.arrivedAt);
    tookMs.push(isAnswered ? events.now - request.arrivedAt : Number.NaN);
    isHigh.push(request.priority > 0);
    if (isAnswered) answerTimes.add(events.now - request.arrivedAt);
  }

  const perMs = capacityOf(world) / 1_000;
  function nextArrival(): void {
    const gapMs = -Math.log(1 - arrivals.next()) / (perMs * load(events.now));
    events.after(gapMs, () => {
      arrive();
      nextArrival();
    });
  }
  nextArrival();
  scheduleLocalCallers(setup, { events, nodes, service });
  scheduleReports(setup, { events, nodes, policies, oneWay, phase: again });
  setup.faults?.(events, nodes);
  events.runUntil(setup.seconds * 1_000);
  const sumOf = (of: (node: SimNode) => number): number => nodes.reduce((sum, node) => sum + of(node), 0);
  return {
    arrivedAt,
    tookMs,
    isHigh,
    sentAt,
    busyMs: sumOf(({ busyMs }) => busyMs),
    copyMs: sumOf(({ copyMs }) => copyMs),
  };
}

/** Poisson arrivals at the nodes themselves. Their answers are nobody's figure: they are load that the router must see. */
function scheduleLocalCallers(
  { seed, localLoad }: Setup,
  { events, nodes, service }: { events: EventQueue; nodes: readonly SimNode[]; service: Draw },
): void {
  if (!localLoad) return;
  const chance = seededRandom(seed * 100 + 6);
  for (const [index, node] of nodes.entries()) {
    const meanGapMs = node.trueMeanMs / (node.slots * localLoad(index));
    const next = (): void =>
      events.after(-Math.log(1 - chance.next()) * meanGapMs, () => {
        node.take({
          size: service(chance),
          priority: 0,
          deadline: Infinity,
          isCancelled: false,
          isCopy: false,
          onEnd: () => undefined,
        });
        next();
      });
    if (meanGapMs < Infinity) next();
  }
}

function scheduleReports(
  { reportMs = 1_000 }: Setup,
  parts: {
    events: EventQueue;
    nodes: readonly SimNode[];
    policies: readonly Policy[];
    oneWay: (node: number) => number;
    phase: { next(): number };
  },
): void {
  const { events, nodes, policies, oneWay, phase } = parts;
  for (const [index, node] of nodes.entries()) {
    const report = (): void => {
      const figures = node.figures();
      if (!node.isSilent && node.state !== "down") {
        events.after(oneWay(index), () => {
          for (const policy of policies) policy.reported(index, figures, events.now);
        });
      }
      events.after(reportMs, report);
    };
    events.after(phase.next() * reportMs, report);
  }
}
