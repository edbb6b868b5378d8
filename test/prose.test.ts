import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";

const ROOT = join(import.meta.dirname, "..");
const TEXTS = [
  "{shared,control-plane,edge-node,cli,scripts}/**/*.{ts,mjs,md}",
  "console/{*,src/**/*}.{ts,tsx,css,html,md}",
  "{docs,prisma}/**/*.{md,prisma}",
  "*.md",
];
const EXEMPT = /^prisma\/generated\//;

/** Words that make a reader stop: metaphors, persons for programs, and prose of another century. */
const BANNED_WORDS = [
  /\bwhoever\b/i,
  /\bfor ever\b/i,
  /\b(?:he|his|him|himself)\b/i,
  /\bgiv(?:e|es|en) (?:it |them )?back\b/i,
  /\bis news\b/i,
  /\bat the door\b/i,
  /\bnobody waits\b/i,
  /\bmust bear\b/i,
  /\bowes?\b/i,
  /\bdear(?:er|est)?\b/i,
  /\bin like measure\b/i,
  /\bgoodbye\b/i,
  /\bguilty\b/i,
  /\bshall\b/i,
  /\bheals?\b/i,
  /\bstands\b(?! (?:in )?for\b)/i,
];

/** Beside these, in titles of tests: programs neither tell nor ring. */
const BANNED_IN_TITLES = [...BANNED_WORDS, /\btold\b/i, /\brings?\b/i, /\bdoors?\b/i];

/** Names that were replaced by the field's words. */
const OLD_NAMES = [
  /doorbell|doorkeeper|(?:http|node|join)door\b|inferencegate|\bonring\b/i,
  /\b(?:journey|errand|vantage|leaning|surroundings)s?\b/i,
  /\b(?:FleetHolder|FleetView|RouteView|HeldPlacement|DesiredSender|MemoryFile|NodeMemory|RepositoryChanges)\b/,
  /\b(?:WorkerAnswer|HostAnswer|InferenceAnswer|HostRenewal|CatalogUpkeep|Urn|withoutNewcomers|soundOf)\b/,
  /\b(?:HttpDoorParts|OpenDoor|TurnAnswer|HeldAnswers|SkimRefused|PlanAnswer|ExplainAnswer|JoinAnswer|StateRegressed|NodeReported|PlacementDecided)\b/,
  /\b(?:notStarted|isWorn|callOff|carryOut|isProven|patienceMs|goodHeartbeats|whyNoGain|ownMiB|(?:node|placement)Rif)\b/,
  /\bskim(?:s|med|ming)?\b|\brivals\b|\brenewals?\.ts|journal\.ts|\bwish(?:es)?\b(?! to)/i,
  /\btell: \(|[.#]tell\(|\bunbatched[:?]/,
];

/** Files of tests, whose prose is theirs, and whose names are the source's. This file lists the words. */
const TESTS = "test/**/*.ts";
const THIS_FILE = "test/prose.test.ts";

/** The banned words in `text`, each with the number of its line. */
function bannedIn(text: string, patterns: readonly RegExp[] = [...BANNED_WORDS, ...OLD_NAMES]): readonly string[] {
  const lines = text.split("\n");
  return patterns.flatMap((pattern) =>
    lines.flatMap((line, index) => {
      const found = pattern.exec(line)?.[0];
      return found === undefined ? [] : [`${index + 1}: ${found}`];
    }),
  );
}

/** The titles of tests and groups of tests: the first text after `it(` or `describe(`, or after the table of their `each`. */
const TITLE = /(?:\b(?:it|describe)(?:\.\w+)*(?:\([^"`]*\))?|\]\))\(\s*(?:"([^"]*)"|`([^`]*)`)/g;

const bannedTitles: readonly string[] = globSync("test/**/*.test.ts", { cwd: ROOT })
  .toSorted()
  .flatMap((file) =>
    [...readFileSync(join(ROOT, file), "utf8").matchAll(TITLE)]
      .map(([, plain, template]) => plain ?? template ?? "")
      .filter((title) => BANNED_IN_TITLES.some((pattern) => pattern.test(title)))
      .map((title) => `${file}: ${title}`),
  );

const found: readonly string[] = globSync(TEXTS, { cwd: ROOT })
  .filter((file) => !EXEMPT.test(file))
  .toSorted()
  .flatMap((file) =>
    // The changelog says what a name was before.
    bannedIn(readFileSync(join(ROOT, file), "utf8"), file === "CHANGELOG.md" ? BANNED_WORDS : undefined).map(
      (word) => `${file}:${word}`,
    ),
  );

const foundInTests: readonly string[] = globSync(TESTS, { cwd: ROOT })
  .filter((file) => file !== THIS_FILE)
  .toSorted()
  .flatMap((file) => bannedIn(readFileSync(join(ROOT, file), "utf8"), OLD_NAMES).map((word) => `${file}:${word}`));

describe("the prose of Skerry", () => {
  it("has no banned word", () => {
    expect(found).toEqual([]);
  });

  it("has no old name in its tests", () => {
    expect(foundInTests).toEqual([]);
  });

  it("has none in the titles of its tests", () => {
    expect(bannedTitles).toEqual([]);
  });
});

describe("the list of banned words", () => {
  it.each([
    ["// Whoever asks is told so, for ever.", ["1: Whoever", "1: for ever"]],
    ["/**\n * He gives it back\n */", ["2: He", "2: gives it back"]],
    ["const doorbell = new Doorkeeper();", ["1: doorbell"]],
    ["  readonly tell: (event: NewEvent) => void;\n  notStarted: true,", ["2: notStarted", "1: tell: ("]],
    ["the skim's refusals, by the caller's wish", ["1: skim"]],
    ["The lease stands; nobody waits.", ["1: nobody waits", "1: stands"]],
  ])("bites on %j", (text, words) => {
    expect(bannedIn(text)).toEqual(words);
  });

  it.each(["`-1` stands for any length", "the header of a response", "she, they and it", "const turn = 1"])(
    "leaves %j alone",
    (text) => {
      expect(bannedIn(text)).toEqual([]);
    },
  );
});
