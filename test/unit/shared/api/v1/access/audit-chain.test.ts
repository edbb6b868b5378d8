import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { z } from "zod";
import { AuditChainCheck, CHAIN_START, chainHash, CUT } from "../../../../../../shared/api/v1/access/audit-chain.ts";
import type { auditEntry } from "../../../../../../shared/api/v1/events.ts";

type Entry = z.infer<typeof auditEntry>;
type Fields = Pick<Entry, "actor" | "action" | "target" | "detail">;

/** The entries of a log, oldest first, as `audit` writes them. */
function chained(changes: readonly Fields[], { prev = CHAIN_START, before = 0 } = {}): Entry[] {
  let last = prev;
  return changes.map((change, index) => {
    const fields = {
      ...change,
      id: String(before + index + 1),
      at: new Date(1_767_225_600_000 + index).toISOString(),
      keyId: null,
      address: "192.0.2.1",
      requestId: `r-${index}`,
    };
    const entry = { ...fields, prev: last, hash: chainHash(last, fields) };
    last = entry.hash;
    return entry;
  });
}

const headOf = (log: readonly Entry[], newest = log.at(-1)?.id ?? "0") => ({
  id: log.at(-1)?.id ?? "0",
  hash: log.at(-1)?.hash ?? CHAIN_START,
  newest,
});

function check(log: readonly Entry[], head = headOf(log), known?: ReadonlyMap<string, string>) {
  const following = new AuditChainCheck(head, known);
  for (const entry of log.toSorted((a, b) => Number(b.id) - Number(a.id))) following.add(entry);
  return following.end();
}

const change: fc.Arbitrary<Fields> = fc.record({
  actor: fc.constantFrom("alice", "bob"),
  action: fc.constantFrom("model.create", "node.revoke"),
  target: fc.string({ maxLength: 5 }),
  detail: fc.dictionary(
    fc.string({ maxLength: 3 }),
    fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string()),
  ),
});
const aLog = fc.array(change, { minLength: 2, maxLength: 8 }).map((changes) => chained(changes));
const at = fc.nat();
const pick = <Item>(items: readonly Item[], index: number): number => index % items.length;

describe("the chain of the audit log", () => {
  it("is whole as it was written", () => {
    fc.assert(
      fc.property(aLog, (log) => {
        expect(check(log)).toEqual({ findings: [], checked: log.length, older: 0 });
      }),
    );
  });

  it("finds any entry that was changed, and names it", () => {
    const edits: readonly ((entry: Entry) => Entry)[] = [
      (entry) => ({ ...entry, actor: `${entry.actor}x` }),
      (entry) => ({ ...entry, at: "2020-01-01T00:00:00.000Z" }),
      (entry) => ({ ...entry, keyId: "0f3a9c2b71de" }),
      (entry) => ({ ...entry, address: "203.0.113.9" }),
      (entry) => ({ ...entry, requestId: "other" }),
      (entry) => ({ ...entry, action: "model.delete" }),
      (entry) => ({ ...entry, target: `${entry.target}x` }),
      (entry) => ({ ...entry, detail: { ...entry.detail, more: true } }),
      (entry) => ({ ...entry, prev: "f".repeat(64) }),
      (entry) => ({ ...entry, hash: "f".repeat(64) }),
      (entry) => ({ ...entry, prev: null, hash: null }),
      // And with a hash that fits the changed entry.
      (entry) => ({ ...entry, actor: "mallory", hash: chainHash(entry.prev ?? "", { ...entry, actor: "mallory" }) }),
    ];
    fc.assert(
      fc.property(aLog, at, fc.constantFrom(...edits), (log, index, edit) => {
        const where = pick(log, index);
        const changed = log.map((entry, each) => (each === where ? edit(entry) : entry));
        const { findings } = check(changed, headOf(log));
        expect(findings.join("\n")).toMatch(new RegExp(`entr(y|ies).* ${where + 1}\\b|entries up to ${where}\\b`));
      }),
    );
  });

  it("finds any entry that was deleted, the newest and the oldest as well", () => {
    fc.assert(
      fc.property(aLog, at, (log, index) => {
        const where = pick(log, index);
        const left = log.toSpliced(where, 1);
        const head = headOf(log, left.at(-1)?.id);
        expect(check(left, head).findings.join("\n")).toMatch(new RegExp(`\\b${where + 1}\\b`));
      }),
    );
  });

  it("finds two entries that were swapped, with their hashes or without", () => {
    fc.assert(
      fc.property(aLog, at, at, fc.boolean(), (log, one, other, isWhole) => {
        const [a, b] = [pick(log, one), pick(log, other)];
        fc.pre(a !== b);
        const swapped = log.map((entry, index) => {
          const source = log[index === a ? b : index === b ? a : index] ?? entry;
          return { ...(isWhole ? source : { ...source, prev: entry.prev, hash: entry.hash }), id: entry.id };
        });
        expect(check(swapped, headOf(log)).findings).not.toEqual([]);
      }),
    );
  });

  it("finds an entry that was inserted, before, between or after, in place of one or beside it", () => {
    fc.assert(
      fc.property(aLog, change, fc.integer({ min: -2, max: 12 }), (log, forged, id) => {
        const [made] = chained([forged], {
          before: id - 1,
          prev: log.find((entry) => entry.id === String(id))?.prev ?? CHAIN_START,
        });
        if (!made) throw new Error("there is an entry");
        const inserted = [...log.filter((entry) => entry.id !== made.id), made];
        fc.pre(!log.some((entry) => entry.hash === made.hash));
        const newest = String(Math.max(...inserted.map((entry) => Number(entry.id))));
        expect(check(inserted, headOf(log, newest)).findings).not.toEqual([]);
      }),
    );
  });

  it("begins later after an honest cut, and not after another", () => {
    fc.assert(
      fc.property(aLog, at, (log, index) => {
        const last = log[pick(log, index)];
        const detail = { through: last?.id, hash: last?.hash };
        const whole = [
          ...log,
          ...chained([{ actor: "retention", action: CUT, target: "audit-log", detail }], {
            prev: log.at(-1)?.hash ?? "",
            before: log.length,
          }),
        ];
        const left = whole.filter(({ id }) => Number(id) > Number(last?.id));
        expect(check(left)).toMatchObject({ findings: [], checked: left.length });
        const dishonest = left.slice(1);
        fc.pre(dishonest.length > 0);
        expect(check(dishonest, headOf(whole)).findings.join()).toContain("no entry says that they were deleted");
      }),
    );
  });

  it("compares hashes that were noted outside, so that a chain that was written anew is found", () => {
    const log = chained([1, 2, 3].map((n) => ({ actor: "alice", action: "a", target: `t/${n}`, detail: {} })));
    const forged = chained([1, 7, 3].map((n) => ({ actor: "alice", action: "a", target: `t/${n}`, detail: {} })));
    const noted = new Map([["3", log[2]?.hash ?? ""]]);
    expect(check(log, headOf(log), noted).findings).toEqual([]);
    expect(check(forged).findings).toEqual([]);
    expect(check(forged, headOf(forged), noted).findings).toEqual([
      "entry 3 has another hash than was noted: it or an entry before it was changed",
    ]);
  });

  it("misses an entry that was noted outside: a log that was set back is whole in itself", () => {
    const log = chained([1, 2, 3].map((n) => ({ actor: "alice", action: "a", target: `t/${n}`, detail: {} })));
    const noted = new Map([["3", log[2]?.hash ?? ""]]);
    const setBack = log.slice(0, 2);
    expect(check(setBack).findings).toEqual([]);
    expect(check(setBack, headOf(setBack), noted).findings).toEqual(["entry 3 was noted, and is not in the chain"]);
    const begunLater = [
      ...log.map((entry) => ({ ...entry, prev: null, hash: null })),
      ...chained([{ actor: "bob", action: "a", target: "t/4", detail: {} }], { before: 3 }),
    ];
    expect(check(begunLater).findings).toEqual([]);
    expect(check(begunLater, headOf(begunLater), noted).findings).toEqual([
      "entry 3 was noted, and is not in the chain",
    ]);
  });

  it("says of a noted entry that retention has deleted it: nothing is known of it any more", () => {
    const log = chained([1, 2].map((n) => ({ actor: "alice", action: "a", target: `t/${n}`, detail: {} })));
    const [, last] = log;
    const detail = { through: "2", hash: last?.hash };
    const cut = { actor: "retention", action: CUT, target: "audit-log", detail };
    const left = chained([cut], { prev: last?.hash ?? "", before: 2 });
    const noted = new Map([["1", log[0]?.hash ?? ""]]);
    expect(check(left, headOf(left), noted).findings).toEqual([
      "entry 1 was noted, and was deleted because of its age",
    ]);
  });
});
