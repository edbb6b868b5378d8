/** Characters that stand for all: those of ASCII, and one beyond. */
const SAMPLE = [...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)), "é"];

/** What decides how a regular expression backtracks: which characters its parts take, and what repeats. */
export type Tree =
  | { readonly kind: "set"; readonly characters: ReadonlySet<string> }
  /** An assertion: it takes nothing. */
  | { readonly kind: "empty" }
  | { readonly kind: "all"; readonly parts: readonly Tree[] }
  | { readonly kind: "any"; readonly parts: readonly Tree[] }
  | { readonly kind: "repeat"; readonly body: Tree; readonly min: number; readonly max: number };

const EMPTY: Tree = { kind: "empty" };
const QUANTIFIER = /^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/;
const ATOM =
  /^(?:\\u\{[0-9A-Fa-f]+\}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\p\{[^}]+\}|\\P\{[^}]+\}|\\.|\[(?:\\.|[^\]\\])*\]|[^\\])/s;
const GROUP = /^\((?:\?(?::|<[A-Za-z]\w*>))?/;
const LOOK = /^\(\?<?[=!]/;

/** The tree of a source that JavaScript takes. */
export function regexpTree(source: string, flags: string): Tree {
  let rest = source;
  const eat = (length: number): string => {
    const text = rest.slice(0, length);
    rest = rest.slice(length);
    return text;
  };
  const alternatives = (): Tree => {
    const parts = [sequence()];
    while (rest.startsWith("|")) {
      eat(1);
      parts.push(sequence());
    }
    return parts.length === 1 ? (parts[0] ?? EMPTY) : { kind: "any", parts };
  };
  const sequence = (): Tree => {
    const parts: Tree[] = [];
    while (rest !== "" && !rest.startsWith("|") && !rest.startsWith(")")) parts.push(repeated(term()));
    return { kind: "all", parts };
  };
  const term = (): Tree => {
    const look = LOOK.exec(rest)?.[0];
    const group = look ?? GROUP.exec(rest)?.[0];
    if (group !== undefined) {
      eat(group.length);
      const inner = alternatives();
      eat(1);
      return look === undefined ? inner : EMPTY;
    }
    const atom = eat(ATOM.exec(rest)?.[0].length ?? 1);
    if (/^(?:[\^$]|\\[bB1-9])$/.test(atom)) return EMPTY;
    const one = new RegExp(`^(?:${atom})$`, flags.replace(/[gy]/g, ""));
    return { kind: "set", characters: new Set(SAMPLE.filter((character) => one.test(character))) };
  };
  const repeated = (body: Tree): Tree => {
    const [text, sign, min, comma, max] = QUANTIFIER.exec(rest) ?? [];
    if (text === undefined) return body;
    eat(text.length);
    if (sign !== undefined)
      return { kind: "repeat", body, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Infinity };
    const least = Number(min);
    return { kind: "repeat", body, min: least, max: comma === undefined ? least : max === "" ? Infinity : Number(max) };
  };
  return alternatives();
}

export function isNullable(tree: Tree): boolean {
  switch (tree.kind) {
    case "set":
      return false;
    case "empty":
      return true;
    case "all":
      return tree.parts.every(isNullable);
    case "any":
      return tree.parts.some(isNullable);
    case "repeat":
      return tree.min === 0 || isNullable(tree.body);
  }
}

/** The characters that a text may begin with. */
export function firstOf(tree: Tree): ReadonlySet<string> {
  switch (tree.kind) {
    case "set":
      return tree.characters;
    case "empty":
      return new Set();
    case "repeat":
      return firstOf(tree.body);
    case "any":
      return new Set(tree.parts.flatMap((part) => [...firstOf(part)]));
    case "all": {
      const end = tree.parts.findIndex((part) => !isNullable(part));
      return new Set((end === -1 ? tree.parts : tree.parts.slice(0, end + 1)).flatMap((part) => [...firstOf(part)]));
    }
  }
}

/** The tree itself and all below it. */
export function* partsOf(tree: Tree): Generator<Tree> {
  yield tree;
  if (tree.kind === "repeat") yield* partsOf(tree.body);
  if (tree.kind === "all" || tree.kind === "any") for (const part of tree.parts) yield* partsOf(part);
}
