import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript-js-api";
import { firstOf, isNullable, partsOf, regexpTree, type Tree } from "./regexp-tree.ts";

const ROOT = path.join(import.meta.dirname, "../../../..");
const FILES = ["{shared,control-plane,edge-node,cli,deploy,console}/**/*.{ts,tsx,mjs}"];
const BUILT = ["console/{dist,node_modules}/**"];

interface FoundRegexp {
  readonly where: string;
  /** With its flags; of one that is put together while the program runs, how. */
  readonly text: string;
  readonly isLiteral: boolean;
}

let known: readonly FoundRegexp[] | undefined;

/** Each regular expression in what Skerry runs, once. Read once too: parsing all sources takes seconds. */
export function sourceRegexps(): readonly FoundRegexp[] {
  known ??= [
    ...new Map(
      globSync(FILES, { cwd: ROOT, exclude: BUILT })
        .flatMap((file) => regexpsIn(file, readFileSync(path.join(ROOT, file), "utf8")))
        .map((found) => [found.text, found]),
    ).values(),
  ];
  return known;
}

/** Those in a file's text. */
export function regexpsIn(file: string, text: string): readonly FoundRegexp[] {
  const found: FoundRegexp[] = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    const isLiteral = ts.isRegularExpressionLiteral(node);
    if (isLiteral || isConstruction(node)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push({ where: `${file}:${line + 1}`, text: node.getText(), isLiteral });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const isConstruction = (node: ts.Node): boolean =>
  (ts.isNewExpression(node) || ts.isCallExpression(node)) &&
  ts.isIdentifier(node.expression) &&
  node.expression.text === "RegExp";

/** Those that a short text can keep busy, and those of which nobody can say so, as `file:line /…/`. */
export const explosiveRegexps = (): readonly string[] =>
  sourceRegexps()
    .filter(({ text, isLiteral }) => !isLiteral || isExplosive(text))
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
