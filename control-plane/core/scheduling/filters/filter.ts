import type { VerdictKind } from "../../../../shared/api/v1/deployments/explain.ts";
import type { FleetPlacement } from "../../fleet/types.ts";
import type { Candidate, PlacementRequest, RequestKey } from "../candidates/candidate.ts";

/** A "no" that says who and why: *not now*, *never* or *bug*. */
export interface Refusal {
  /** The filter's name. Stable. */
  readonly code: string;
  readonly verdict: VerdictKind;
  /** One sentence with the figures: `needs 412 MiB; edge-a has 380 free`. */
  readonly sentence: string;
  /**
   * The sentence without figures that change by themselves (ages, free space), for a recorded status, which would
   * otherwise be written again and again. Left out: `sentence` has none.
   */
  readonly cause?: string;
}

/** A node is refused when it has less of something than a request needs. */
export interface Amount {
  readonly of: (candidate: Candidate) => number;
  readonly needed: (request: PlacementRequest) => number;
}

/** A hard condition. Pure, and `undefined` means yes. */
export interface Filter {
  readonly code: string;
  /**
   * What of the request the verdict depends on where the node holds nothing of its model and deployment: on such a node
   * requests with equal keys get the same verdict, so that it is found once for all of them.
   */
  readonly keyOf: RequestKey;
  /** Whether it refuses no node at all, for this request: then it is asked about none. Left out: it may refuse some of any request. */
  readonly isOpenTo?: (request: PlacementRequest) => boolean;
  /** Of a filter that refuses for this and nothing else: what nodes have is then kept once for all requests. */
  readonly amount?: Amount;
  /** It refuses no node that holds nothing of the request's model or deployment and remembers nothing of the model. */
  readonly isOfOwn?: boolean;
  /** `own`: the placements of the request's model or deployment on the node. */
  refuse(
    candidate: Candidate,
    request: PlacementRequest,
    own: readonly FleetPlacement[],
  ): Omit<Refusal, "code"> | undefined;
  /**
   * The change that would lift this refusal, in a few words that do not name the node: `label gpu=true`. Asked only where the
   * filter refuses, and only for explanations. Undefined, also left out: it passes by itself, or nobody can change it.
   */
  wouldLift?(candidate: Candidate, request: PlacementRequest): string | undefined;
}
