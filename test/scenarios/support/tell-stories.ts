import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { execute } from "./commands.ts";
import { Story } from "./story.ts";

/** A quarter of an hour of a story takes up to half a minute on a busy machine. */
const STORY_MS = 120_000;

/** The transcript anew: comments and inputs (`> …`) stay, and below each input is what happens now. */
async function record(transcript: string): Promise<string> {
  const story = await Story.open();
  const lines: string[] = [];
  try {
    for (const line of transcript.split("\n")) {
      if (line.startsWith("#") || line === "") lines.push(line);
      if (!line.startsWith("> ")) continue;
      lines.push(line, ...(await story.run((each) => execute(each, line.slice(2)))));
    }
  } finally {
    await story.close();
  }
  return lines.join("\n");
}

/** A test for each transcript in `directory`. A file of tests for each folder, because files run side by side and stories do not. */
export function tellStories(of: string, directory: string): void {
  const stories = readdirSync(directory).filter((file) => file.endsWith(".txt"));
  describe(`the story of ${of}`, () => {
    it.each(stories)(
      "%s happens as it is written (REWRITE=1 records it)",
      async (file) => {
        const path = join(directory, file);
        const written = readFileSync(path, "utf8");
        const told = await record(written);
        if (process.env["REWRITE"] === "1") writeFileSync(path, told);
        else expect(told).toBe(written);
      },
      STORY_MS,
    );
  });
}
