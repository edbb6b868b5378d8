import { describe, expect, it } from "@jest/globals";
import { hasReadyPlacements, resolvePlacement } from "../../../../../edge-node/adapters/http/resolve-placement.ts";
import type { LocalPlacementView } from "../../../../../edge-node/ports/serving.ts";
import { refusal } from "../../../shared/inference/refusal.ts";

const placement = (placementId: string, over: Partial<LocalPlacementView> = {}): LocalPlacementView => ({
  placementId,
  deployment: "lyon",
  model: "digits",
  version: "3",
  aliases: [],
  want: "serve",
  state: "ready",
  timeoutMs: 0,
  isEdgeOnly: false,
  isStandby: false,
  streams: [],
  detail: undefined,
  stateAgeMs: 0,
  progress: undefined,
  artifact: "sha256:a",
  signature: undefined,
  ...over,
});

const anyVersion = { model: "digits", version: undefined };

describe("resolvePlacement", () => {
  it("takes the oldest ready placement", () => {
    const all = [placement("p-1", { state: "loading" }), placement("p-2"), placement("p-3")];
    expect(resolvePlacement(anyVersion, all).placementId).toBe("p-2");
  });

  it("takes one that is not on standby, whatever their order, and else the one that is", () => {
    const tried = placement("p-1", { version: "4", isStandby: true });
    expect(resolvePlacement(anyVersion, [tried, placement("p-2")]).placementId).toBe("p-2");
    const loading = placement("p-2", { state: "loading" });
    expect(resolvePlacement(anyVersion, [tried, loading]).placementId).toBe("p-1");
    expect(resolvePlacement({ model: "digits", version: "4" }, [tried, placement("p-2")]).placementId).toBe("p-1");
  });

  it("prefers the deployment with the model's name", () => {
    expect(
      resolvePlacement(anyVersion, [placement("p-1"), placement("p-2", { deployment: "digits" })]).placementId,
    ).toBe("p-2");
  });

  it("takes the version that was named", () => {
    const all = [placement("p-1"), placement("p-2", { version: "4" })];
    expect(resolvePlacement({ model: "digits", version: "4" }, all).placementId).toBe("p-2");
  });

  it("names the models that are here", () => {
    expect(refusal(() => resolvePlacement({ model: "ocr", version: undefined }, [placement("p-1")]))).toEqual({
      code: "NOT_FOUND",
      text: "this node holds no model ocr; it holds digits",
    });
    expect(refusal(() => resolvePlacement(anyVersion, [])).text).toContain("it holds none");
  });

  it("takes the version behind an alias, also while another one is ready", () => {
    const all = [placement("p-1"), placement("p-2", { version: "4", aliases: ["champion", "stable"] })];
    expect(resolvePlacement({ model: "digits", version: "stable" }, all).placementId).toBe("p-2");
    const onItsWay = [placement("p-1"), placement("p-2", { version: "4", aliases: ["stable"], state: "downloading" })];
    expect(refusal(() => resolvePlacement({ model: "digits", version: "stable" }, onItsWay))).toMatchObject({
      code: "MODEL_NOT_READY",
    });
  });

  it("names the versions and aliases that are here", () => {
    const all = [placement("p-1"), placement("p-2", { version: "4", aliases: ["champion", "stable"] })];
    const ask = (version: string) => refusal(() => resolvePlacement({ model: "digits", version }, all));
    expect(ask("5")).toEqual({
      code: "NOT_FOUND",
      text: "this node holds digits in version 3, 4 (champion, stable), not 5",
    });
    expect(ask("latest").text).toContain("not latest");
  });

  it("says what a model that is not ready is doing", () => {
    const all = [
      placement("p-1", { state: "failed", detail: "the model hangs" }),
      placement("p-2", { version: "4", state: "downloading" }),
    ];
    expect(refusal(() => resolvePlacement(anyVersion, all))).toEqual({
      code: "MODEL_NOT_READY",
      text: "digits is here but not ready: version 3 is failed (the model hangs), version 4 is downloading; retry after Retry-After",
    });
  });
});

describe("hasReadyPlacements", () => {
  const staged = placement("p-0", { want: "hold", state: "staged" });
  const [ready, warming] = [placement("p-1"), placement("p-2", { state: "warming" })];

  it("needs every desired version to be ready", () => {
    expect(hasReadyPlacements([], "all")).toBe(true);
    expect(hasReadyPlacements([ready, staged], "all")).toBe(true);
    expect(hasReadyPlacements([ready, warming], "all")).toBe(false);
  });

  it("asks of one of them, when any will do", () => {
    expect(hasReadyPlacements([], "any")).toBe(true);
    expect(hasReadyPlacements([ready, warming], "any")).toBe(true);
    expect(hasReadyPlacements([warming, staged], "any")).toBe(false);
  });
});
