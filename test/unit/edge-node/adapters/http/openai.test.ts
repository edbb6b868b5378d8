import { describe, expect, it } from "@jest/globals";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { askText } from "../../../../../edge-node/adapters/http/openai.ts";
import type { LocalNode } from "../../../../../edge-node/ports/serving.ts";
import { ByteBudget } from "../../../../../shared/inference/http/byte-budget.ts";
import { InferenceStatistics } from "../../../../../shared/inference/statistics.ts";
import { MAX_TEXT_BODY_BYTES } from "../../../../../shared/protocol/limits.ts";
import { silentLogger } from "../../../../support/silent-logger.ts";
import { TestClock } from "../../../../support/test-clock.ts";

/** A request that says how long its body is and then ends without it. */
function ask(contentLength: number, maxBodyBytes?: number) {
  const request = new IncomingMessage(new Socket());
  request.headers = { "content-length": String(contentLength) };
  request.push(null);
  return askText({ kind: "ask", api: "chat" }, request, {
    response: new ServerResponse(request),
    node: { placements: () => [] } as unknown as LocalNode,
    bodies: new ByteBudget(2 * MAX_TEXT_BODY_BYTES),
    statistics: new InferenceStatistics(),
    clock: new TestClock(),
    logger: silentLogger,
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
  });
}

describe("askText", () => {
  it("takes as long a body as the control plane, though other requests may be longer", async () => {
    expect((await ask(MAX_TEXT_BODY_BYTES + 1)).code).toBe("TOO_LARGE");
    expect((await ask(MAX_TEXT_BODY_BYTES)).code).not.toBe("TOO_LARGE");
  });

  it("keeps to a setting that allows less", async () => {
    expect((await ask(1_025, 1_024)).code).toBe("TOO_LARGE");
  });
});
