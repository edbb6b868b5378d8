import { systemClock } from "../../shared/base/clock.ts";
import type { ItemChange } from "../api/watch-list.ts";
import type { View } from "./format.ts";
import { linkAwayLine } from "./link-away-line.ts";
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
 * change reports, and says of each row when it changed last. While the link is away the last table stays, and its first line says so.
 */
export class LiveRows<Item> {
  readonly #output: Output;
  readonly #view: View<Item>;
  readonly #empty: string;
  readonly #signal: AbortSignal;
  readonly #isWide: boolean;
  readonly #server: string;
  readonly #table: LiveTable;
  readonly #rows = new Map<string, Shown<Item>>();
  #render: ((rows: readonly Shown<Item>[]) => string) | undefined;
  /** In ms of the system's clock; undefined: the stream is open, or was not yet. */
  #awaySince: number | undefined;

  constructor(options: {
    readonly output: Output;
    readonly isWide: boolean;
    readonly view: View<Item>;
    /** Shown in place of a table without rows. */
    readonly empty: string;
    /** The address that is followed, for a person. */
    readonly server: string;
    readonly signal: AbortSignal;
  }) {
    this.#output = options.output;
    this.#view = options.view;
    this.#empty = options.empty;
    this.#signal = options.signal;
    this.#isWide = options.isWide;
    this.#server = options.server;
    this.#table = new LiveTable(options.output);
  }

  /** The stream opened, or it broke. */
  linked(isOpen: boolean): void {
    if (isOpen) this.#awaySince = undefined;
    else this.#awaySince ??= systemClock.now();
    this.#draw();
  }

  async follow(batches: AsyncIterable<readonly ItemChange<Item>[]>): Promise<void> {
    const { renderTable } = await import("./table.ts");
    const { paint } = this.#output;
    const columns = this.#columns();
    let cancelTick = (): void => undefined;
    const tick = (): void => {
      this.#draw();
      cancelTick = systemClock.after(TICK_MS, tick);
    };
    try {
      for await (const changes of batches) {
        for (const change of changes) this.#apply(change);
        this.#render = (rows) => renderTable(rows, columns, { wide: this.#isWide, paint });
        cancelTick();
        this.#signal.throwIfAborted();
        tick();
      }
    } finally {
      cancelTick();
    }
  }

  #columns(): readonly Column<Shown<Item>>[] {
    return [
      ...this.#view.columns
        .filter(({ isMeasured }) => isMeasured !== true)
        .map((column) => ({
          ...column,
          value: ({ item }: Shown<Item>, paint: Output["paint"]) => column.value(item, paint),
        })),
      { header: "CHANGED", value: ({ at }) => `${formatAge(systemClock.now() - at)} ago` },
    ];
  }

  /** Before the whole list has arrived there is nothing to show. */
  #draw(): void {
    if (this.#render === undefined || this.#signal.aborted) return;
    const { name } = this.#view;
    const rows = [...this.#rows.values()].toSorted((a, b) => (name(a.item) < name(b.item) ? -1 : 1));
    const body = rows.length === 0 ? this.#empty : this.#render(rows);
    this.#table.draw(`${this.#statusLine(rows.length)}\n${body}`);
  }

  /** On top, where a small terminal cuts nothing off. */
  #statusLine(rows: number): string {
    const { paint } = this.#output;
    if (this.#awaySince === undefined) return paint.faint(`${count(rows, "row")}, live; Ctrl-C ends`);
    return linkAwayLine(this.#server, systemClock.now() - this.#awaySince, paint);
  }

  #apply({ event, item }: ItemChange<Item>): void {
    const key = (this.#view.keyOf ?? this.#view.name)(item);
    if (event === "deleted") this.#rows.delete(key);
    else this.#rows.set(key, { item, at: systemClock.now() });
  }
}
