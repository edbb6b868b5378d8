import { versionKey } from "../../../shared/base/version-key.ts";
import { leftAfter } from "../fleet/versions/version-errors.ts";
import type { Fleet, VersionErrors } from "../fleet/types.ts";

/** So many requests that succeed are assumed beside those that were seen: one error in one request says little. */
const ASSUMED_GOOD = 10;
/** Fewer requests on other nodes do not tell whether a version errs there too. */
const LEAST_ELSEWHERE = 10;
/** Standard deviations by which errors differ from node to node by chance. */
const CHANCE = 2;
/** Smaller shares are none. */
const LEAST_SHARE = 0.005;

/** Shares of requests, 0–1, that fail on a node beyond what its versions fail elsewhere; those that are none are left out. */
export interface ErrorShares {
  /** By node id, over all versions that other nodes serve too: of one that only this node serves, it may be the version. */
  readonly ofNode: ReadonlyMap<string, number>;
  /** By `versionKey` and node id, with those that only one node serves: on another one it may do better. */
  readonly ofVersion: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

interface Known {
  readonly now: number;
  readonly shares: ErrorShares;
}

const newest = new WeakMap<Fleet["nodes"], Known>();

/**
 * Which nodes fail requests that would not fail elsewhere, at `now`. A version that fails everywhere as often says nothing
 * against its nodes. Without new errors a share never rises, and it halves at least every 10 minutes.
 */
export function errorSharesOf({ nodes }: Pick<Fleet, "nodes">, now: number): ErrorShares {
  const known = newest.get(nodes);
  if (known?.now === now) return known.shares;
  const shares = compute(nodes, now);
  newest.set(nodes, { now, shares });
  return shares;
}

const NONE: ErrorShares = { ofNode: new Map(), ofVersion: new Map() };

function compute(nodes: Fleet["nodes"], now: number): ErrorShares {
  const erring = [...nodes.values()].filter(({ load }) => load?.errors?.some(({ errors }) => errors > 0));
  if (erring.length === 0) return NONE;
  const totals = totalsOf(nodes, now);
  const ofNode = new Map<string, number>();
  const ofVersion = new Map<string, Map<string, number>>();
  for (const { id, load } of erring) {
    let [requests, own] = [0, 0];
    for (const each of load?.errors ?? []) {
      const key = versionKey(each.model, each.version);
      const elsewhere = ratioElsewhere(each, totals.get(key), now);
      const beyond = errorsBeyond(each, elsewhere ?? 0) * leftAfter(now - (each.erredAt ?? -Infinity));
      if (elsewhere !== undefined) {
        requests += each.requests;
        own += beyond;
      }
      const share = beyond / (each.requests + ASSUMED_GOOD);
      if (share < LEAST_SHARE) continue;
      const byNode = ofVersion.get(key) ?? new Map<string, number>();
      ofVersion.set(key, byNode.set(id, share));
    }
    const share = own / (requests + ASSUMED_GOOD);
    if (share >= LEAST_SHARE) ofNode.set(id, share);
  }
  return { ofNode, ofVersion };
}

interface Total {
  requests: number;
  errors: number;
}

/** Of all nodes together, by `versionKey`. */
function totalsOf(nodes: Fleet["nodes"], now: number): ReadonlyMap<string, Total> {
  const totals = new Map<string, Total>();
  for (const { load } of nodes.values()) {
    for (const { model, version, requests, errors, at } of load?.errors ?? []) {
      const key = versionKey(model, version);
      const total = totals.get(key) ?? { requests: 0, errors: 0 };
      totals.set(key, total);
      const left = leftAfter(now - at);
      total.requests += left * requests;
      total.errors += left * errors;
    }
  }
  return totals;
}

/** What part of its requests a version fails on all other nodes; undefined: too few came there to tell. */
function ratioElsewhere(own: VersionErrors, total: Total | undefined, now: number): number | undefined {
  const left = leftAfter(now - own.at);
  const requests = (total?.requests ?? 0) - left * own.requests;
  if (requests < LEAST_ELSEWHERE) return undefined;
  return Math.max(0, (total?.errors ?? 0) - left * own.errors) / requests;
}

/** Errors that neither the version nor chance explains. */
function errorsBeyond({ requests, errors }: VersionErrors, ratio: number): number {
  const expected = ratio * requests;
  return Math.max(0, errors - expected - CHANCE * Math.sqrt(expected));
}
