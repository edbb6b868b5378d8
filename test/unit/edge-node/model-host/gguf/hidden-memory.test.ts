import { describe, expect, it } from "@jest/globals";
import { HiddenMemory } from "../../../../../edge-node/model-host/gguf/hidden-memory.ts";

describe("HiddenMemory", () => {
  it.each([49_152 * 12, 262_144 * 12, 64 * 1_048_576])(
    "has what is not used any more collected as it reaches 32 MiB, in parts of %d bytes",
    (bytesEach) => {
      let held = 0;
      let collections = 0;
      const hidden = new HiddenMemory(bytesEach, () => {
        collections += 1;
        held = 0;
      });
      for (let part = 0; part < 500; part += 1) {
        held += bytesEach;
        hidden.left();
        expect(held).toBeLessThan(32 * 1_048_576);
      }
      // Not more often than it must.
      expect(collections).toBe(Math.floor(500 / Math.ceil((32 * 1_048_576) / bytesEach)));
    },
  );
});
