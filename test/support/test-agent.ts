import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { Agent } from "../../edge-node/app/agent.ts";
import { join } from "../../edge-node/app/session/join.ts";
import { ArtifactFolders } from "../../edge-node/adapters/filesystem/artifact-folders.ts";
import { IdentityFiles } from "../../edge-node/adapters/filesystem/identity-files.ts";
import { JsonStateFile } from "../../edge-node/adapters/filesystem/state-file.ts";
import { HttpJoinClient } from "../../edge-node/adapters/system/http-join-client.ts";
import { MachineProbe } from "../../edge-node/adapters/system/machine-probe.ts";
import { pinnedConnect } from "../../edge-node/adapters/system/pinned-connect.ts";
import { WebSocketDialer } from "../../edge-node/adapters/websocket/dialer.ts";
import type { TrustedKeys } from "../../edge-node/core/placements/trust.ts";
import { systemClock } from "../../shared/base/clock.ts";
import type { Capabilities } from "../../shared/protocol/messages/capabilities.ts";
import type { DesiredPlacement } from "../../shared/protocol/messages/desired-placement.ts";
import { parseJoinToken } from "../../shared/protocol/proofs.ts";
import { seededRandom } from "../../shared/base/random.ts";
import type { ArtifactFixture } from "./models/artifact-fixture.ts";
import { FakeHosts, FakeServing } from "./fakes/fake-hosts.ts";
import { JOIN_TOKEN, type FakeControlPlane } from "./fakes/fake-control-plane.ts";
import { silentLogger } from "./silent-logger.ts";

/** An agent of real parts but for its model hosts, on a state folder of its own. */
export class TestAgent {
  readonly stateDir: string;
  readonly hosts = new FakeHosts();
  readonly serving = new FakeServing();
  /** Engines beside it; after a change call `capabilitiesChanged` of the agent. */
  engines: Capabilities["engines"];
  readonly disk: ArtifactFolders;
  readonly agent: Agent;

  private constructor(stateDir: string, agent: (parts: TestAgent) => Agent) {
    this.stateDir = stateDir;
    this.disk = new ArtifactFolders(stateDir);
    this.agent = agent(this);
  }

  /** Joins first, when the folder has no identity yet. */
  static async start(
    controlPlane: FakeControlPlane,
    stateDir?: string,
    more: { readonly signingKeys?: TrustedKeys } = {},
  ): Promise<TestAgent> {
    const directory = stateDir ?? (await newStateDir());
    const store = new IdentityFiles(directory);
    const [clock, random, logger] = [systemClock, seededRandom(7), silentLogger];
    const identity =
      (await store.load()) ??
      (await join(
        { admission: { kind: "token", token: tokenOf(JOIN_TOKEN) }, name: "edge-a", kind: "edge" },
        { store, client: new HttpJoinClient(controlPlane.url, connect), clock, random, logger },
        new AbortController().signal,
      ));
    const test = new TestAgent(directory, (parts) => {
      const { hosts, serving, disk } = parts;
      return new Agent({
        dialer: new WebSocketDialer({ identity, agentVersion: "0.0.0", connect, clock }),
        memoryFile: new JsonStateFile(directory, logger),
        disk,
        hosts,
        serving,
        probe: new MachineProbe(directory, { url: undefined, asksForKey: false }, { engines: () => parts.engines }),
        telemetry: { heartbeatAnswered: () => undefined },
        clock,
        random,
        logger,
        ...more,
        onRemoved: () => undefined,
      });
    });
    await test.agent.restore();
    await test.agent.start();
    return test;
  }

  /** Ids of the placements that serve. */
  get ready(): readonly string[] {
    return this.agent.placements().flatMap(({ spec, state }) => (state === "ready" ? [spec.placementId] : []));
  }

  stop(): Promise<void> {
    return this.agent.stop(1_000);
  }
}

const newStateDir = (): Promise<string> => mkdtemp(joinPath(tmpdir(), "skerry-node-"));
export const removeStateDir = (directory: string): Promise<void> => rm(directory, { recursive: true, force: true });

function tokenOf(text: string): NonNullable<ReturnType<typeof parseJoinToken>> {
  const token = parseJoinToken(text);
  if (!token) throw new Error("not a join token");
  return token;
}

const connect = (url: URL, signal: AbortSignal): ReturnType<typeof pinnedConnect> =>
  pinnedConnect({ pin: "none", isNetworkTrusted: false }, url, signal);

export const aDesired = (
  placementId: string,
  fixture: ArtifactFixture,
  overrides: Partial<DesiredPlacement> = {},
): DesiredPlacement => ({
  placementId,
  generation: 1,
  deployment: "d-1",
  model: fixture.manifest.model,
  version: fixture.manifest.version,
  artifact: fixture.artifact,
  want: "serve",
  residency: "any",
  limits: { memMiB: 256, maxBatch: 8, queue: 64, timeoutMs: 2_000 },
  ...overrides,
});
