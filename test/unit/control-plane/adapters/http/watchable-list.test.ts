import { describe, expect, it } from "@jest/globals";
import { WatchableList } from "../../../../../control-plane/adapters/http/rest/watchable-list.ts";
import { ListWatch } from "../../../../../control-plane/app/fleet/list-watch.ts";
import { TestClock } from "../../../../support/test-clock.ts";

interface Facts {
  readonly name: string;
}
interface Thing extends Facts {
  readonly figures: string;
}

describe("a list that can be watched", () => {
  it("makes the items of the page alone", () => {
    const made: string[] = [];
    const list = new WatchableList({
      list: () => Array.from({ length: 1_000 }, (_, at) => ({ name: `n-${String(at).padStart(3, "0")}` })),
      toItem: ({ name }: Facts): Thing => {
        made.push(name);
        return { name, figures: `of ${name}` };
      },
      watch: new ListWatch<Thing>({
        instance: "r-1",
        list: () => [],
        nameOf: ({ name }) => name,
        lasting: ({ name }) => name,
        fingerprint: () => "",
        clock: new TestClock(),
      }),
      listing: { keyOf: ({ name }: Facts) => name, labelsOf: ({ name }: Facts) => ({ name }) },
    });
    const request = { header: () => undefined, signal: new AbortController().signal };
    const answer = list.answer(
      { ...request, query: { watch: "false", labelSelector: "name in (n-007,n-500,n-900)", limit: 2 } },
      ({ name }) => name !== "n-007",
    );
    expect(answer).toMatchObject({ body: { items: [{ figures: "of n-500" }, { figures: "of n-900" }] } });
    expect(made).toEqual(["n-500", "n-900"]);
  });
});
