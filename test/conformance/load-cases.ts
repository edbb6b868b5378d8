import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { caseFile, type ConformanceCase } from "./case.ts";

/** The cases of one file, in order: the later ones may build on what the earlier ones did. */
export interface CaseGroup {
  readonly about: string;
  readonly cases: readonly ConformanceCase[];
}

const FOLDER = path.join(import.meta.dirname, "cases");

/** All case files in the order of their names, each case with its whole set of tags. Throws what is wrong in a file, by name. */
export function loadCases(): readonly CaseGroup[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".yaml"))
    .toSorted()
    .map((name) => {
      const { about, tags, cases } = readFile(name);
      return { about, cases: cases.map((each) => ({ ...each, tags: withOwn(tags, each.tags) })) };
    });
}

function readFile(name: string) {
  const parsed = caseFile.safeParse(parse(readFileSync(path.join(FOLDER, name), "utf8"), { merge: true }));
  if (parsed.success) return parsed.data;
  const complaints = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`${name}: ${complaints.join("; ")}`);
}

const withOwn = (all: readonly string[], own: readonly string[]): string[] => [
  ...all.filter((tag) => !own.includes(`-${tag}`)),
  ...own.filter((tag) => !tag.startsWith("-")),
];

/** The cases with every tag of `wanted`, and none that stands there behind a `-`. Groups without any are left out. */
export function select(groups: readonly CaseGroup[], wanted: readonly string[]): readonly CaseGroup[] {
  const isWanted = ({ tags }: ConformanceCase): boolean =>
    wanted.every((tag) => (tag.startsWith("-") ? !tags.includes(tag.slice(1)) : tags.includes(tag)));
  return groups
    .map(({ about, cases }) => ({ about, cases: cases.filter(isWanted) }))
    .filter(({ cases }) => cases.length > 0);
}
