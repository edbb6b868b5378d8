import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../shared/base/clock.ts";
import type { Logger } from "../../shared/base/logging/logger.ts";
import type { Random } from "../../shared/base/random.ts";
import type { PostgresStores } from "../adapters/postgres/postgres.ts";
import { keys } from "../adapters/system/ed25519.ts";
import { NodeChannels } from "../adapters/websocket/node-channels.ts";
import { WebSocketPeerDialer } from "../adapters/websocket/peers/peer-dialer.ts";
import type { PeerTls } from "../adapters/websocket/peers/peer-tls.ts";
import { PeerServer } from "../adapters/websocket/peers/peer-server.ts";
import type { FleetCache } from "../app/fleet/fleet-cache.ts";
import { RequestPaths } from "../app/inference/request-paths.ts";
import type { SessionRegistry } from "../app/node-sessions/node-session.ts";
import { PeerLinks } from "../app/peers/peer-links.ts";
import { PeerRequests } from "../app/peers/peer-requests.ts";
import type { NodeTimings } from "../core/fleet/node-status.ts";
import type { NodeSessionHandler } from "../ports/nodes/channels.ts";
import type { KeyPair } from "../ports/access/keys.ts";
import type { Metrics } from "../ports/metrics.ts";

interface Parts {
  readonly replica: string;
  readonly cpId: string;
  readonly key: KeyPair;
  readonly postgres: Pick<PostgresStores, "sessions">;
  readonly fleet: FleetCache;
  readonly registry: SessionRegistry;
  readonly timings: NodeTimings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tls: PeerTls;
}

export interface Peers {
  readonly links: PeerLinks;
  /** The ways to all nodes, those of other control planes included. */
  readonly paths: RequestPaths;
  readonly requests: PeerRequests;
}

/** What other control planes and this one do for each other. Nothing runs before `links.start`. */
export function composePeers(parts: Parts): Peers {
  const links = new PeerLinks({
    ...parts,
    sessions: parts.postgres.sessions,
    dialer: new WebSocketPeerDialer({ ...parts, keys }),
  });
  return { links, paths: new RequestPaths({ ...parts, links }), requests: new PeerRequests({ ...parts, links }) };
}

export interface Sockets {
  /** Takes a request of `Upgrade: websocket` with its socket, and what came behind it. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Ends every socket that is still open, at once. */
  terminateAll(): void;
}

/** The sockets of nodes and of other control planes. */
export function composeSockets(
  parts: Parts & {
    readonly sessions: NodeSessionHandler;
    readonly peers: Peers;
    readonly trustedProxies: number;
    readonly metrics: Pick<Metrics, "nodeSocketEnded">;
  },
): Sockets {
  const { peers, fleet, metrics } = parts;
  const ofNodes = new NodeChannels({
    ...parts,
    keys,
    onEnded: (reason) => metrics.nodeSocketEnded(reason),
    // Strangers reach another control plane through this one as little as they reach it themselves.
    async urlOfHolder(nodeId, replica) {
      const isKnown = fleet.snapshot().nodes.has(nodeId);
      return isKnown ? ((await peers.links.find(replica))?.url ?? undefined) : undefined;
    },
  });
  const ofPeers = new PeerServer({ ...parts, keys, handler: peers.requests });
  return {
    upgrade: (request, socket, head) => (ofPeers.takes(request) ? ofPeers : ofNodes).upgrade(request, socket, head),
    terminateAll() {
      ofNodes.terminateAll();
      ofPeers.terminateAll();
    },
  };
}
