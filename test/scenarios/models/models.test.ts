import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { storiesIn, STORY_MS, tell } from "../support/tell.ts";

describe("the story of models and where they go", () => {
  it.each(storiesIn(import.meta.dirname).map((file) => [path.basename(file), file]))(
    "%s happens as it is written (REWRITE=1 records it)",
    async (_, file) => {
      const { written, told } = await tell(file);
      expect(told).toBe(written);
    },
    STORY_MS,
  );
});
