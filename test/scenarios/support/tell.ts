import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execute } from "./commands.ts";
import { Story } from "./story.ts";

/** A quarter of an hour of a story takes up to half a minute on a busy machine. */
export const STORY_MS = 120_000;

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

/** The transcripts in `directory`. A folder has a file of tests of its own, because files run side by side and stories do not. */
export const storiesIn = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter((file) => file.endsWith(".txt"))
    .map((file) => join(directory, file));

/** What is written in a transcript, and what happens. With REWRITE=1 it is written as it happens. */
export async function tell(file: string): Promise<{ readonly written: string; readonly told: string }> {
  const written = readFileSync(file, "utf8");
  const told = await record(written);
  if (process.env["REWRITE"] !== "1") return { written, told };
  writeFileSync(file, told);
  return { written: told, told };
}
