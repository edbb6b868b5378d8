import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { Observations, Tally } from "../../../control-plane/adapters/metrics/buffered.ts";

const BUCKETS = [0.001, 0.01, 0.1, 1];

describe("buffered metrics, law", () => {
  it("a tally says what the counter itself would have said, whenever it is asked", async () => {
    const entry = fc.oneof(
      { weight: 9, arbitrary: fc.tuple(fc.constantFrom("digits", "ocr"), fc.constantFrom("OK", "QUEUE_FULL")) },
      { weight: 1, arbitrary: fc.constant("asked" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 200 }), async (entries) => {
        const [plain, buffered] = [new Registry(), new Registry()];
        const of = (registry: Registry) => ({
          name: "answers_total",
          help: "h",
          labelNames: ["model", "code"] as const,
          registers: [registry],
        });
        const counter = new Counter(of(plain));
        const tally = new Tally(of(buffered));
        for (const each of [...entries, "asked" as const]) {
          if (each === "asked") {
            tally.flush();
            expect(linesOf(await buffered.metrics())).toEqual(linesOf(await plain.metrics()));
          } else {
            counter.labels(...each).inc();
            tally.add(...each);
          }
        }
      }),
    );
  });

  it("a buffered histogram says what the histogram itself would have said, whenever it is asked", async () => {
    const entry = fc.oneof(
      { weight: 50, arbitrary: fc.integer({ min: 0, max: 2_000 }) },
      { weight: 1, arbitrary: fc.constant("asked" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 300, size: "max" }), async (entries) => {
        const [plain, buffered] = [new Registry(), new Registry()];
        const seriesOf = (registry: Registry) =>
          new Histogram({ name: "seconds", help: "h", labelNames: ["model"], buckets: BUCKETS, registers: [registry] });
        const series = seriesOf(plain).labels("digits");
        const observations = new Observations(seriesOf(buffered).labels("digits"));
        for (const each of [...entries, "asked" as const]) {
          if (each === "asked") {
            observations.flush();
            expect(linesOf(await buffered.metrics())).toEqual(linesOf(await plain.metrics()));
          } else {
            series.observe(each / 1_024);
            observations.add(each / 1_024);
          }
        }
      }),
    );
  });
});

/** Prometheus' text, the order of the series aside: it is that of their first use. */
const linesOf = (text: string): readonly string[] => text.split("\n").toSorted();
