import { describe, expect, it } from "@jest/globals";
import { emptyList, type WatchedMessage, withMessages } from "../../../console/src/core/fleet/watched-list.ts";

interface Row {
  readonly name: string;
  readonly state: string;
}
const row = (name: string, state = "ready"): Row => ({ name, state });
const added = (item: Row): WatchedMessage<Row> => ({ event: "added", id: undefined, item });
const reset: WatchedMessage<Row> = { event: "reset", id: undefined };
const bookmark = (id: string): WatchedMessage<Row> => ({ event: "bookmark", id });
const after = (...messages: WatchedMessage<Row>[]) => withMessages(emptyList<Row>(), messages, 1);
const namesOf = (list: ReturnType<typeof after>): readonly string[] => [...list.rows.keys()];

describe("a watched list", () => {
  it("is whole with the bookmark behind its rows", () => {
    const half = after(reset, added(row("a")));
    expect([namesOf(half), half.isWhole]).toEqual([[], false]);
    const whole = withMessages(half, [added(row("b")), bookmark("r.1")], 2);
    expect([namesOf(whole), whole.isWhole, whole.lastId]).toEqual([["a", "b"], true, "r.1"]);
  });

  it("takes changes with the time at which they came", () => {
    const list = withMessages(
      after(reset, added(row("a")), bookmark("r.1")),
      [{ event: "modified", id: "r.2", item: row("a", "lost") }],
      50,
    );
    expect(list.rows.get("a")).toEqual({ item: row("a", "lost"), at: 50 });
    expect(list.lastId).toBe("r.2");
  });

  it("drops what was deleted", () => {
    const list = after(reset, added(row("a")), bookmark("r.1"), { event: "deleted", id: "r.2", item: row("a") });
    expect(namesOf(list)).toEqual([]);
  });

  it("keeps the old rows until those of a new list are whole, and then only these", () => {
    const before = after(reset, added(row("a")), added(row("b")), bookmark("r.1"));
    const during = withMessages(before, [reset, added(row("b"))], 2);
    expect(namesOf(during)).toEqual(["a", "b"]);
    expect(namesOf(withMessages(during, [bookmark("s.1")], 3))).toEqual(["b"]);
  });

  it("resumes after the message before a list that broke in the middle", () => {
    const before = after(reset, added(row("a")), bookmark("r.1"));
    expect(withMessages(before, [reset, added(row("b"))], 2).lastId).toBe("r.1");
  });
});
