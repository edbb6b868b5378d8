import { beforeEach, describe, expect, it } from "@jest/globals";
import { PeerLinks } from "../../../../../control-plane/app/peers/peer-links.ts";
import { RequestPaths } from "../../../../../control-plane/app/inference/request-paths.ts";
import { SessionRegistry } from "../../../../../control-plane/app/node-sessions/node-session.ts";
import type { Peer } from "../../../../../control-plane/ports/nodes/nodes.ts";
import type { PeerDialer } from "../../../../../control-plane/ports/nodes/peers.ts";
import { OWNER_GONE_MS } from "../../../../../control-plane/core/fleet/node-status.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { settle, TestClock } from "../../../../support/test-clock.ts";
import { aFleetSession, aNode, NOW, TIMINGS } from "../../../../support/fleet/fleet-builder.ts";
import { fleetOf } from "../../../../support/fleet/fleet-in-memory.ts";

/** The longest wait until a link is dialled again, and the next read of who is there. */
const REDIAL_MS = 6_000;
/** Until it is looked for links that are missing, and the next read. */
const LOOK_MS = 6_000;

/** Keeps what it dialled, and each channel until the test closes it. */
class Dialled implements PeerDialer {
  readonly urls: string[] = [];
  readonly channels: { readonly close: (reason: string) => void }[] = [];
  isReachable = true;

  dial({ url }: { readonly url: string }) {
    this.urls.push(url);
    if (!this.isReachable) return Promise.reject(new Error("refused"));
    const { promise: closed, resolve: close } = Promise.withResolvers<string>();
    this.channels.push({ close });
    return Promise.resolve({
      rttMs: 3,
      closed,
      send: () => true,
      close: () => close("1000"),
      lastByteAt: () => 0,
      listen: () => undefined,
    });
  }
}

let clock: TestClock;
let dialer: Dialled;
let recorded: Peer[];
let reads: number;
let isPostgresAway: boolean;

beforeEach(() => {
  clock = new TestClock(NOW);
  dialer = new Dialled();
  recorded = [aPeer("r-2"), aPeer("r-3"), { ...aPeer("r-4"), url: null }];
  reads = 0;
  isPostgresAway = false;
});

const aPeer = (id: string): Peer => ({ id, url: `ws://${id}`, publicKey: "k" });

const nodeAt = (name: string, replica: string) => aNode(name, { session: aFleetSession({ replica }) });

async function started(...nodes: ReturnType<typeof aNode>[]) {
  const fleet = await fleetOf({ nodes }, clock);
  const links = new PeerLinks({
    replica: "r-1",
    fleet,
    sessions: {
      peers: () => {
        reads += 1;
        return isPostgresAway ? Promise.reject(new Error("away")) : Promise.resolve(recorded);
      },
    },
    dialer,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  links.start();
  await settle();
  return { fleet, links };
}

describe("the links to other control planes", () => {
  it("lead to each one that holds a node's session, found by one read", async () => {
    await started(nodeAt("edge-a", "r-2"), nodeAt("edge-b", "r-3"), nodeAt("edge-c", "r-2"), nodeAt("edge-d", "r-1"));
    expect([dialer.urls, reads]).toEqual([["ws://r-2", "ws://r-3"], 1]);
  });

  it("are none, and nothing is read, while every node is here", async () => {
    const { links } = await started(nodeAt("edge-a", "r-1"));
    await clock.advance(60_000);
    expect([links.all(), reads]).toEqual([[], 0]);
  });

  it("come when a node opens its session at another one", async () => {
    const { fleet, links } = await started(nodeAt("edge-a", "r-1"));
    const rows = { nodes: [nodeAt("edge-a", "r-2")], versions: [], deployments: [], placements: [], aliases: [] };
    fleet.apply({ type: "rows-loaded", rows });
    await settle();
    expect(links.to("r-2")?.inference).toBeDefined();
  });

  it("do not lead to one that names no address", async () => {
    const { links } = await started(nodeAt("edge-a", "r-4"));
    expect([dialer.urls, links.to("r-4")]).toEqual([[], undefined]);
  });

  it("are dialled again when they break, and lose what was on them", async () => {
    const { links } = await started(nodeAt("edge-a", "r-2"));
    const lost = links.to("r-2")?.pending.begin(Infinity).outcome;
    dialer.channels[0]?.close("1006");
    expect(await lost).toEqual({ kind: "lost" });
    expect(links.to("r-2")?.inference).toBeUndefined();
    await clock.advance(REDIAL_MS);
    expect(links.to("r-2")?.inference).toBeDefined();
  });

  it("are dialled ever more seldom while they cannot be opened", async () => {
    dialer.isReachable = false;
    await started(nodeAt("edge-a", "r-2"));
    await clock.advance(60_000);
    const inFirstMinute = dialer.urls.length;
    await clock.advance(60_000);
    expect(inFirstMinute).toBeGreaterThan(dialer.urls.length - inFirstMinute);
    expect(dialer.urls.length).toBeGreaterThan(20);
  });

  it("end with the control plane that they lead to", async () => {
    const { links } = await started(nodeAt("edge-a", "r-2"));
    recorded = [];
    dialer.channels[0]?.close("1006");
    await clock.advance(REDIAL_MS);
    expect(links.all()).toEqual([]);
    const dials = dialer.urls.length;
    await clock.advance(60_000);
    expect(dialer.urls).toHaveLength(dials);
  });

  it("come when PostgreSQL answers again, if it was away when the node opened its session", async () => {
    isPostgresAway = true;
    const { links } = await started(nodeAt("edge-a", "r-2"));
    expect([reads, links.all()]).toEqual([1, []]);
    isPostgresAway = false;
    await clock.advance(LOOK_MS);
    expect(links.to("r-2")?.inference).toBeDefined();
  });

  it("come back with a control plane that was not recorded for a while, though no node has moved", async () => {
    const { links } = await started(nodeAt("edge-a", "r-2"));
    const before = recorded;
    recorded = [];
    dialer.channels[0]?.close("1006");
    await clock.advance(REDIAL_MS);
    expect(links.all()).toEqual([]);
    recorded = before;
    await clock.advance(LOOK_MS);
    expect(links.to("r-2")?.inference).toBeDefined();
  });

  it("stay while the other end is reached, also when it could not record that it lives", async () => {
    const { links } = await started(nodeAt("edge-a", "r-2"), nodeAt("edge-b", "r-3"));
    recorded = recorded.filter(({ id }) => id !== "r-2");
    dialer.channels[1]?.close("1006");
    await clock.advance(REDIAL_MS);
    expect([links.to("r-2")?.inference, links.to("r-3")?.inference]).not.toContain(undefined);
  });

  it("are not looked for at a control plane that has died with the sessions it held", async () => {
    recorded = [];
    const { fleet, links } = await started(nodeAt("edge-a", "r-2"));
    await fleet.stop(); // nothing is heard of it any more
    await clock.advance(OWNER_GONE_MS + LOOK_MS);
    const before = reads;
    await clock.advance(60_000);
    expect([links.all(), reads]).toEqual([[], before]);
  });

  it("read the others at most once a second, however many are asked for", async () => {
    const { links } = await started(nodeAt("edge-a", "r-2"));
    const asked = Array.from({ length: 50 }, (_, i) => links.find(`r-unknown-${i}`));
    await clock.advance(1_000);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([undefined]));
    expect(reads).toBe(2);
    expect(await links.find("r-3")).toMatchObject({ id: "r-3" });
  });
});

describe("the way to a node", () => {
  it("is the link to the control plane that holds its session, with the time of the hop, while both are up", async () => {
    const node = nodeAt("edge-a", "r-2");
    const { links } = await started(node);
    const paths = new RequestPaths({ registry: new SessionRegistry(), links, timings: TIMINGS });
    expect(paths.to(node, NOW)).toBe(links.to("r-2"));
    expect(paths.to(node, NOW)?.hopMs).toBe(3);
    const unproven = aNode("edge-a", { session: aFleetSession({ replica: "r-2", isReady: false }) });
    expect(paths.to(unproven, NOW)).toBeUndefined();
    dialer.channels[0]?.close("1006");
    await settle();
    expect(paths.to(node, NOW)).toBeUndefined();
  });
});
