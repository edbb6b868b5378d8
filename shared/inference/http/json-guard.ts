/**
 * What `JSON.parse` lets pass: deep nesting, the same key twice (its last value would win silently), and `__proto__`.
 * One pass over the text, in time linear to it. Returns the complaint, or undefined. Malformed text is left to `JSON.parse`.
 */
export function jsonComplaint(text: string, maxDepth: number): string | undefined {
  /** Keys seen in each open object; undefined for an open array. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      if (open.length > maxDepth) return `is nested more than ${maxDepth} levels deep`;
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && isFollowedByColon(text, end)) {
        const key = decoded(text.slice(at, end));
        if (key === "__proto__") return "has a key `__proto__`";
        if (keys.has(key)) return `has the key \`${key.slice(0, 64)}\` twice in one object`;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The place right after the closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return Math.min(at + 1, text.length);
}

function isFollowedByColon(text: string, start: number): boolean {
  let at = start;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\t" || text[at] === "\r") at += 1;
  return text[at] === ":";
}

/** Escapes spell the same key in many ways. */
function decoded(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}
