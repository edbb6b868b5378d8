import { writeFile } from "node:fs/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { keyPair } from "../../../control-plane/adapters/system/ed25519.ts";
import { readSigningKeys } from "../../../edge-node/adapters/filesystem/signing-keys.ts";
import type { TrustedKeys } from "../../../edge-node/core/placements/trust.ts";
import { releaseText } from "../../../shared/protocol/model-files/release.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeControlPlane } from "../../support/fakes/fake-control-plane.ts";
import type { FakeNodeSession } from "../../support/fakes/fake-node-session.ts";
import { anArtifact, type ArtifactFixture, randomBytesOf } from "../../support/models/artifact-fixture.ts";
import { aDesired, removeStateDir, TestAgent } from "../../support/test-agent.ts";

const v1 = anArtifact(randomBytesOf(70_000, 1));
const v2 = anArtifact(randomBytesOf(80_000, 2), { version: "2" });
const [ours, theirs] = [keyPair(), keyPair()];

let folder: string;
let keys: TrustedKeys;
let controlPlane: FakeControlPlane;
let node: TestAgent;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "skerry-signed-"));
  const file = path.join(folder, "signing.keys");
  await writeFile(file, `# who publishes\n\n${ours.publicKey} release.key\n`);
  keys = readSigningKeys(file);
  controlPlane = await FakeControlPlane.start();
  for (const fixture of [v1, v2]) controlPlane.add(fixture);
  node = await TestAgent.start(controlPlane, undefined, { signingKeys: keys });
});

afterEach(async () => {
  await node.stop();
  await controlPlane.stop();
  await removeStateDir(node.stateDir);
  rmSync(folder, { recursive: true });
});

/** What a signer says of a version; `over`: what the control plane sends instead. */
function releaseOf(fixture: ArtifactFixture, { signer = ours, floor = 0, over = {} } = {}) {
  const { model, version } = fixture.manifest;
  const of = { counter: Number(version), floor };
  const signature = signer.sign(releaseText({ model, version, artifact: fixture.artifact, ...of }));
  return { ...of, publicKey: signer.publicKey, signature, ...over };
}

const session = (): Promise<FakeNodeSession> => eventually("a session", () => controlPlane.session);

const whenState = (placementId: string, state: string) =>
  eventually(`${placementId} is ${state}`, () => {
    const report = controlPlane.session?.reports.get(placementId);
    return report?.state === state ? report : undefined;
  });

const want = async (...placements: ReturnType<typeof aDesired>[]): Promise<void> =>
  (await session()).snapshot({ cordoned: false, placements });

describe("a node with keys of signers", () => {
  it("serves a version that one of them has signed", async () => {
    await want(aDesired("p-1", v1, { release: releaseOf(v1) }));
    expect(await whenState("p-1", "ready")).toMatchObject({ generation: 1 });
  });

  it.each([
    ["nobody signed", {}, /digits:1 is not signed/],
    ["another key signed", { release: releaseOf(v1, { signer: theirs }) }, /which is none of this node's/],
    [
      "another key signed in the name of one of its own",
      { release: releaseOf(v1, { signer: theirs, over: { publicKey: ours.publicKey } }) },
      /does not hold/,
    ],
    ["was signed with other bytes", { release: releaseOf(v2), version: "2" }, /does not hold/],
    ["was signed as another version", { release: releaseOf(v1), version: "7" }, /does not hold/],
    ["was signed as another model", { release: releaseOf(v1), model: "faces" }, /does not hold/],
    ["was signed as an older release", { release: releaseOf(v1, { over: { counter: 9 } }) }, /does not hold/],
    ["was signed with another floor", { release: releaseOf(v1, { over: { floor: 1 } }) }, /does not hold/],
  ])("fetches and starts nothing that %s", async (_, over, why) => {
    await want(aDesired("p-1", v1, over));
    expect(await whenState("p-1", "failed")).toMatchObject({
      code: "SIGNATURE_INVALID",
      detail: expect.stringMatching(why),
    });
    expect((await session()).of("transfer.accept")).toEqual([]);
    expect(await node.disk.complete()).toEqual(new Set());
  });

  it("serves it as soon as it is signed", async () => {
    await want(aDesired("p-1", v1));
    await whenState("p-1", "failed");
    await want(aDesired("p-1", v1, { release: releaseOf(v1) }));
    expect(await whenState("p-1", "ready")).toMatchObject({ generation: 1 });
  });

  it("stops a version whose signature is gone", async () => {
    await want(aDesired("p-1", v1, { release: releaseOf(v1) }));
    await whenState("p-1", "ready");
    await want(aDesired("p-1", v1));
    expect(await whenState("p-1", "failed")).toMatchObject({ code: "SIGNATURE_INVALID" });
  });

  it("takes no release below the floor of one that it has accepted, also after a restart", async () => {
    await want(
      aDesired("p-1", v1, { release: releaseOf(v1) }),
      aDesired("p-2", v2, { release: releaseOf(v2, { floor: 2 }) }),
    );
    await whenState("p-2", "ready");
    await want(
      aDesired("p-2", v2, { release: releaseOf(v2, { floor: 2 }) }),
      aDesired("p-3", v1, { release: releaseOf(v1) }),
    );
    expect(await whenState("p-3", "failed")).toMatchObject({
      code: "SIGNATURE_INVALID",
      detail: "release 1 of digits was withdrawn: this node has accepted that 2 is the oldest",
    });
    await node.stop();
    node = await TestAgent.start(controlPlane, node.stateDir, { signingKeys: keys });
    await want(aDesired("p-4", v1, { release: releaseOf(v1) }));
    await whenState("p-4", "failed");
  });

  it("keeps the version before until one that withdraws it serves, also through a restart", async () => {
    const before = aDesired("p-1", v1, { release: releaseOf(v1) });
    const next = aDesired("p-2", v2, { release: releaseOf(v2, { floor: 2 }) });
    await want(before);
    await whenState("p-1", "ready");
    controlPlane.pushRules.push({ stalls: true });
    await want(next);
    await whenState("p-2", "downloading");
    await node.stop();
    controlPlane.pushRules.push({ stalls: true });
    node = await TestAgent.start(controlPlane, node.stateDir, { signingKeys: keys });
    await eventually("p-1 serves again", () => node.ready.includes("p-1"));
    const states = new Map(node.agent.placements().map(({ spec, state }) => [spec.placementId, state]));
    expect(states.get("p-2")).not.toBe("failed");
  });
});

describe("the file of keys", () => {
  it("is refused without a key, and with a line that is none", async () => {
    const file = path.join(folder, "bad.keys");
    await writeFile(file, "# nothing\n");
    expect(() => readSigningKeys(file)).toThrow("holds no key");
    await writeFile(file, `${ours.publicKey}\nsecret-of-somebody\n`);
    expect(() => readSigningKeys(file)).toThrow(/^line 2 of .* holds no public key$/);
  });
});
