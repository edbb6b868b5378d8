import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript-js-api";
import { firstOf, isNullable, partsOf, regexpTree, type Tree } from "./regexp-tree.ts";

const ROOT = path.join(import.meta.dirname, "../../../..");
const FOLDERS = ["shared", "control-plane", "edge-node", "cli"];

interface FoundRegexp {
  readonly where: string;
  /** With its flags. */
  readonly text: string;
}

/** Each regular expression that is written as a literal in what Skerry runs, once. */
export function sourceRegexps(): readonly FoundRegexp[] {
  const found = new Map<string, FoundRegexp>();
  for (const file of FOLDERS.flatMap((folder) => globSync(`${folder}/**/*.{ts,mjs}`, { cwd: ROOT }))) {
    const source = ts.createSourceFile(file, readFileSync(path.join(ROOT, file), "utf8"), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isRegularExpressionLiteral(node)) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart());
        found.set(node.text, { where: `${file}:${line + 1}`, text: node.text });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return [...found.values()];
}

/** Those that a short text can keep busy, as `file:line /…/`. */
export const explosiveRegexps = (): readonly string[] =>
  sourceRegexps()
    .filter(({ text }) => isExplosive(text))
    .map(({ where, text }) => `${where} ${text}`);

/**
 * Whether one text can be read in a number of ways that doubles with its length: a repetition without bound whose rounds can
 * be cut in more than one way. They cannot where no round is empty, where its first character says which alternative it is,
 * and where no repetition inside takes the first character of the next round. A sound one may be refused; write it plainer.
 */
export function isExplosive(literal: string): boolean {
  const end = literal.lastIndexOf("/");
  const tree = regexpTree(literal.slice(1, end), literal.slice(end + 1));
  return [...partsOf(tree)].some((part) => part.kind === "repeat" && part.max === Infinity && isAmbiguous(part.body));
}

function isAmbiguous(round: Tree): boolean {
  if (round.kind === "set") return false;
  if (isNullable(round)) return true;
  const first = firstOf(round);
  return [...partsOf(round)].some((part) => {
    if (part.kind === "any") return overlap(part.parts.map(firstOf));
    return part.kind === "repeat" && part.max > 1 && !first.isDisjointFrom(taken(part.body));
  });
}

const taken = (tree: Tree): ReadonlySet<string> =>
  new Set([...partsOf(tree)].flatMap((part) => (part.kind === "set" ? [...part.characters] : [])));

const overlap = (sets: readonly ReadonlySet<string>[]): boolean =>
  sets.some((set, at) => sets.slice(at + 1).some((other) => !set.isDisjointFrom(other)));
