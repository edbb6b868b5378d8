import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { keys } from "../../../../../control-plane/adapters/system/ed25519.ts";
import { PodJoin } from "../../../../../control-plane/app/nodes/pod-join.ts";
import type { PodJoinAttempt } from "../../../../../control-plane/ports/nodes/nodes.ts";
import type { PodIdentity } from "../../../../../control-plane/ports/cloud/pods.ts";
import { digestOf } from "../../../../../shared/base/digest.ts";
import type { NodeId } from "../../../../../shared/base/ids.ts";
import { seededRandom } from "../../../../../shared/base/random.ts";
import { podJoinProofText } from "../../../../../shared/protocol/proofs.ts";

const POD: PodIdentity = {
  name: "skerry-node-1",
  uid: "u-1",
  zone: "north",
  labels: { "skerry.dev/pool": "spot", "pod-template-hash": "759bccfc9b", "skerry.dev/": "x" },
};

const FROM = { address: "198.51.100.7", requestId: "req-join" };

function setUp(pod: PodIdentity | null = POD) {
  const attempts: PodJoinAttempt[] = [];
  const reviewed: string[] = [];
  const parts = {
    store: {
      joinPod: (attempt: PodJoinAttempt) => {
        attempts.push(attempt);
        const { zone } = attempt;
        return Promise.resolve({ nodeId: "n-1" as NodeId, generation: 1, kind: "cloud" as const, site: "cloud", zone });
      },
      podNodes: () => Promise.resolve([]),
      removePodNode: () => Promise.resolve(),
    },
    keys,
    random: seededRandom(1),
    cpId: "cp-1",
    urls: ["ws://control-plane:7070"],
    siteOf: (pool: string | undefined) => Promise.resolve(pool === "gpu" ? "berlin" : "cloud"),
    recordEvent: () => undefined,
  };
  const identify = (token: string): Promise<PodIdentity | null> => {
    reviewed.push(token);
    return Promise.resolve(pod);
  };
  const join = new PodJoin({ ...parts, pods: { identify, podUids: () => Promise.resolve(new Set<string>()) } });
  return { join, attempts, reviewed, parts };
}

/** What a pod with a new key sends; `over` changes it after it was signed. */
function request(over: { name?: string; podToken?: string } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64url");
  const [podToken, name] = ["token", "skerry-node-1"];
  const text = podJoinProofText({ tokenHashHex: digestOf(podToken).slice("sha256:".length), publicKey: key, name });
  return {
    podToken,
    name,
    publicKey: key,
    proof: sign(null, Buffer.from(text), privateKey).toString("base64url"),
    ...over,
  };
}

describe("a pod that joins", () => {
  it("is a cloud node in its machine's zone, with the labels that are meant for Skerry", async () => {
    const { join, attempts } = setUp();
    expect(await join.join(request(), FROM)).toMatchObject({
      nodeId: "n-1",
      kind: "cloud",
      site: "cloud",
      zone: "north",
    });
    expect(attempts).toMatchObject([{ podUid: "u-1", name: "skerry-node-1", zone: "north", labels: { pool: "spot" } }]);
  });

  it("has the site of the pool that its label names", async () => {
    const { join, attempts } = setUp({ ...POD, labels: { "skerry.dev/pool": "gpu" } });
    await join.join(request(), FROM);
    expect(attempts).toMatchObject([{ site: "berlin", zone: "north" }]);
  });

  it("is in a zone named like its site where the machine has none", async () => {
    const { join, attempts } = setUp({ ...POD, zone: undefined });
    await join.join(request(), FROM);
    expect(attempts).toMatchObject([{ zone: "cloud" }]);
  });

  it.each([
    ["the cluster does not vouch for its token", null, {}],
    ["the token is another pod's", { ...POD, name: "skerry-node-2" }, {}],
    ["it signed for another name", { ...POD, name: "skerry-node-2" }, { name: "skerry-node-2" }],
  ])("is refused when %s", async (_why, pod, over) => {
    const { join, attempts } = setUp(pod);
    await expect(join.join(request(over), FROM)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
    expect(attempts).toEqual([]);
  });

  it("costs the API server nothing when it does not hold the key that it names", async () => {
    const { join, reviewed } = setUp();
    await expect(join.join(request({ podToken: "stolen" }), FROM)).rejects.toMatchObject({ code: "JOIN_REFUSED" });
    expect(reviewed).toEqual([]);
  });

  it("learns from the error which setting lets pods in, where none may join", async () => {
    const { parts } = setUp();
    const closed = new PodJoin({ ...parts, pods: undefined });
    await expect(closed.join(request(), FROM)).rejects.toMatchObject({
      code: "JOIN_REFUSED",
      message: expect.stringContaining("SKERRY_POD_SERVICE_ACCOUNTS"),
    });
  });
});
