import { systemClock } from "../../shared/base/clock.ts";
import type { ItemChange } from "../api/watch-list.ts";
import type { View } from "./format.ts";
import { LiveTable } from "./live-table.ts";
import type { Output } from "./output.ts";
import type { Column } from "./table.ts";
import { count, formatAge } from "./units.ts";

/** Ages go on while nothing changes. */
const TICK_MS = 1_000;

interface Shown<Item> {
  readonly item: Item;
  /** When this state of it arrived; ms of the system's clock. */
  readonly at: number;
}

/**
 * A list that is followed, as a table that redraws itself at each change and once a second. It leaves out figures that no
 * change reports, and says of each row when it changed last.
 */
export class LiveRows<Item> {
  readonly #output: Output;
  readonly #view: View<Item>;
  readonly #empty: string;
  readonly #signal: AbortSignal;
  readonly #isWide: boolean;
  readonly #table: LiveTable;
  readonly #rows = new Map<string, Shown<Item>>();

  constructor(options: {
    readonly output: Output;
    readonly format: string;
    readonly view: View<Item>;
    readonly empty: string;
    readonly signal: AbortSignal;
  }) {
    this.#output = options.output;
    this.#view = options.view;
    this.#empty = options.empty;
    this.#signal = options.signal;
    this.#isWide = options.format === "wide";
    this.#table = new LiveTable(options.output);
  }

  async follow(batches: AsyncIterable<readonly ItemChange<Item>[]>): Promise<void> {
    const { renderTable } = await import("./table.ts");
    const columns: readonly Column<Shown<Item>>[] = [
      ...this.#view.columns
        .filter(({ isMeasured }) => isMeasured !== true)
        .map((column) => ({
          ...column,
          value: ({ item }: Shown<Item>, paint: Output["paint"]) => column.value(item, paint),
        })),
      { header: "CHANGED", value: ({ at }) => `${formatAge(systemClock.now() - at)} ago` },
    ];
    const draw = (): void => {
      const { paint } = this.#output;
      const { name } = this.#view;
      const rows = [...this.#rows.values()].toSorted((a, b) => (name(a.item) < name(b.item) ? -1 : 1));
      const head = paint.faint(`${count(rows.length, "row")}, live; Ctrl-C ends`);
      const body = rows.length === 0 ? this.#empty : renderTable(rows, columns, { wide: this.#isWide, paint });
      this.#table.draw(`${body}\n${head}`);
    };
    let cancelTick = (): void => undefined;
    const tick = (): void => {
      draw();
      cancelTick = systemClock.after(TICK_MS, tick);
    };
    try {
      for await (const changes of batches) {
        for (const change of changes) this.#apply(change);
        cancelTick();
        this.#signal.throwIfAborted();
        tick();
      }
    } finally {
      cancelTick();
    }
  }

  #apply({ event, item }: ItemChange<Item>): void {
    const key = (this.#view.keyOf ?? this.#view.name)(item);
    if (event === "deleted") this.#rows.delete(key);
    else this.#rows.set(key, { item, at: systemClock.now() });
  }
}
