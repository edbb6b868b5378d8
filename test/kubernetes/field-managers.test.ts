import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { messageOf } from "../../shared/base/errors.ts";
import { until } from "../support/processes/skerry-process.ts";
import { DeclaredSkerry } from "./support/declared-skerry.ts";

let skerry: DeclaredSkerry;

beforeAll(async () => {
  skerry = await DeclaredSkerry.start();
}, 180_000);

afterAll(async () => {
  await skerry?.stop();
}, 60_000);

const applyAs = (manager: string, fields: object, ...flags: readonly string[]): Promise<string> =>
  skerry
    .kubectl(
      ["apply", "--server-side", `--field-manager=${manager}`, "-f", "-", ...flags],
      JSON.stringify({ apiVersion: "skerry.dev/v1alpha1", kind: "ModelDeployment", ...fields }),
    )
    .catch(messageOf);

describe("a ModelDeployment of two field managers", () => {
  it("is carried out with what each of them says, and the API server tells who is in whose way", async () => {
    const metadata = { name: "shared" };
    await applyAs("ci", { metadata, spec: { model: "digits", version: 1, slo: { p95Ms: 50 } } });
    await skerry.whenReady("mdep/shared");
    expect(await applyAs("ops", { metadata, spec: { slo: { p95Ms: 70 } } })).toContain('conflict with "ci"');
    expect(await applyAs("ops", { metadata, spec: { placement: { cloud: { min: 1 } } } })).toContain("applied");
    await skerry.whenObserved("shared");
    expect((await skerry.deployed("shared"))?.spec).toMatchObject({
      slo: { p95Ms: 50 },
      placement: { cloud: { min: 1 } },
    });
    await skerry.whenReady("mdep/shared");
  }, 120_000);

  it("is not written when only a label of it changes", async () => {
    const from = skerry.proxy.seen.length;
    await applyAs("ops", {
      metadata: { name: "shared", labels: { team: "vision" } },
      spec: { placement: { cloud: { min: 1 } } },
    });
    const { resourceVersion } = (await skerry.show("shared")).metadata;
    // One that comes after it: when it is carried out, so is this.
    await skerry.apply("marker", { model: "digits", version: 1, placement: {} });
    await skerry.whenReady("mdep/marker");
    expect(skerry.proxy.writesOf("shared", from)).toEqual([]);
    expect((await skerry.show("shared")).metadata).toMatchObject({ resourceVersion, labels: { team: "vision" } });
  }, 60_000);

  it("keeps its status: what another manager writes over is taken back, with an event, and ever later", async () => {
    const { proxy } = skerry;
    const from = proxy.seen.length;
    const lie = (version: number): Promise<string> =>
      applyAs(
        "audit",
        { metadata: { name: "shared" }, status: { activeVersion: version } },
        "--subresource=status",
        "--force-conflicts",
      );
    const shown = async (): Promise<number | undefined> => (await skerry.show("shared")).status?.activeVersion;
    await lie(90);
    await until("it is taken back", async () => (await shown()) === 1, 30_000);
    // An event is written a moment after what it is about.
    const told = await until(
      "its event is there",
      async () => {
        const text = await skerry.kubectl(["describe", "mdep", "shared"]);
        return text.includes("StatusConflict") && text;
      },
      30_000,
    );
    expect(told).toMatch(/Warning\s+StatusConflict\s.*conflict with "audit".*\.status\.activeVersion/);
    const startedAt = performance.now();
    for (let version = 91; version < 106; version += 1) await lie(version);
    const forced = proxy.writesOf("shared", from).filter(({ query }) => query.includes("force=true")).length;
    // The second one 10 s after the first at the earliest, the next 20 s after that.
    expect(forced).toBeLessThanOrEqual(2 + (performance.now() - startedAt) / 10_000);
    await until("it is taken back in the end", async () => (await shown()) === 1, 90_000);
  }, 240_000);
});
