import { IdentityFiles } from "../../../edge-node/adapters/filesystem/identity-files.ts";
import { HttpJoinClient } from "../../../edge-node/adapters/system/http-join-client.ts";
import { pinnedConnect } from "../../../edge-node/adapters/system/pinned-connect.ts";
import { WebSocketDialer } from "../../../edge-node/adapters/websocket/dialer.ts";
import { join } from "../../../edge-node/app/session/join.ts";
import type { NodeIdentity } from "../../../edge-node/ports/identity.ts";
import type { ControlChannel } from "../../../edge-node/ports/channels.ts";
import { type Clock, systemClock } from "../../../shared/base/clock.ts";
import { digestOf } from "../../../shared/base/digest.ts";
import { systemRandom } from "../../../shared/base/random.ts";
import { parseJoinToken } from "../../../shared/protocol/proofs.ts";
import { silentLogger } from "../silent-logger.ts";
import type { SkerryCluster } from "../processes/skerry-cluster.ts";

const POLICY = { pin: "none", isNetworkTrusted: false };
const connect = (url: URL, signal: AbortSignal): ReturnType<typeof pinnedConnect> => pinnedConnect(POLICY, url, signal);

/** A node with a key of its own and without an agent: what it says is up to the test. */
export class HostileNode {
  readonly identity: NodeIdentity;
  readonly #dialer: WebSocketDialer;
  #epoch = 0;

  private constructor(identity: NodeIdentity, clock: Clock) {
    this.identity = identity;
    this.#dialer = new WebSocketDialer({ identity, agentVersion: "0.1.0", connect, clock });
  }

  static async join(
    cluster: Pick<SkerryCluster, "post" | "url">,
    name: string,
    stateDir: string,
    clock: Clock = systemClock,
  ): Promise<HostileNode> {
    const { token } = await cluster.post<{ token: string }>("/join-tokens", { kind: "edge", site: name, name });
    const parsed = parseJoinToken(token);
    if (!parsed) throw new Error("the control plane made a token that is none");
    const identity = await join(
      { admission: { kind: "token", token: parsed }, name, kind: "edge" },
      {
        store: new IdentityFiles(stateDir),
        client: new HttpJoinClient(cluster.url, connect),
        clock,
        random: systemRandom,
        logger: silentLogger,
      },
      AbortSignal.timeout(30_000),
    );
    return new HostileNode(identity, clock);
  }

  /** Opens a session. Throws `ChannelRefused`. */
  async dial(): Promise<ControlChannel> {
    const link = await this.#dialer.control(
      {
        epoch: this.#epoch,
        capabilities: {
          arch: "x64",
          os: "linux",
          cpus: 1,
          memMiB: 1_024,
          diskMiB: 1_024,
          runtime: "none",
          maxOpset: 1,
          maxIrVersion: 1,
          providers: [],
        },
        bootId: "b-1",
        desired: { rev: 0, digest: digestOf("") },
        placements: [],
      },
      () => undefined,
      AbortSignal.timeout(30_000),
    );
    this.#epoch = link.welcome.epoch ?? this.#epoch;
    return link;
  }
}
