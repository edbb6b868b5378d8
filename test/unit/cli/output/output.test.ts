import { describe, expect, it } from "@jest/globals";
import { printList, printObject, type View } from "../../../../cli/output/format.ts";
import type { OutputFormat } from "../../../../cli/output/formats.ts";
import { LiveLines } from "../../../../cli/output/live-lines.ts";
import { Output, type Sink } from "../../../../cli/output/output.ts";
import { choosePaint, noPaint } from "../../../../cli/output/paint.ts";
import { renderFields, renderTable } from "../../../../cli/output/table.ts";

interface Row {
  readonly name: string;
  readonly note: string;
}

const view: View<Row> = {
  name: (row) => row.name,
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "NOTE", value: (row) => row.note, wide: true },
  ],
};
const rows: readonly Row[] = [
  { name: "edge-a", note: "" },
  { name: "b", note: "two\n lines" },
];

function recorder(isTTY = false): Sink & { text: string } {
  return {
    text: "",
    isTTY,
    columns: 40,
    write(text: string) {
      this.text += text;
    },
  };
}

function outputFor(options: { quiet?: boolean; terminal?: boolean } = {}): {
  output: Output;
  out: { text: string };
  err: { text: string };
} {
  const [out, err] = [recorder(options.terminal), recorder(options.terminal)];
  return { output: new Output({ out, err }, { quiet: options.quiet ?? false, color: true, env: {} }), out, err };
}

async function listed(format: OutputFormat, of: readonly Row[] = rows): Promise<{ out: string; err: string }> {
  const { output, out, err } = outputFor();
  await printList({ output, format, raw: { items: of, nextCursor: null }, rows: of, view, empty: "Nothing there." });
  return { out: out.text, err: err.text };
}

describe("a list", () => {
  it("is a table without rules, whose rows begin with data", async () => {
    expect((await listed("table")).out).toBe("NAME\nedge-a\nb\n");
  });

  it("has more columns when wide, a dash for nothing and one line for each row", async () => {
    expect((await listed("wide")).out).toBe("NAME    NOTE\nedge-a  –\nb       two lines\n");
  });

  it("is the API's answer as it is in JSON", async () => {
    expect(JSON.parse((await listed("json")).out)).toEqual({ items: rows, nextCursor: null });
  });

  it("is the API's answer in YAML", async () => {
    expect((await listed("yaml")).out).toContain("items:\n  - name: edge-a\n");
  });

  it("is bare names, fit to be arguments", async () => {
    expect((await listed("name")).out).toBe("edge-a\nb\n");
  });

  it("says on stderr that it is empty and prints no headers", async () => {
    expect(await listed("table", [])).toEqual({ out: "", err: "Nothing there.\n" });
  });

  it("stays valid JSON when it is empty", async () => {
    expect(await listed("json", [])).toEqual({ out: '{\n  "items": [],\n  "nextCursor": null\n}\n', err: "" });
  });
});

describe("an object", () => {
  it("is described only when a person reads it", async () => {
    const { output, out } = outputFor();
    await printObject(output, "name", { raw: {}, name: "digits", describe: () => "long" });
    await printObject(output, "table", { raw: {}, name: "digits", describe: () => "long" });
    expect(out.text).toBe("digits\nlong\n");
  });
});

describe("words", () => {
  it("go to stderr, with the next command at the end", () => {
    const { output, out, err } = outputFor();
    output.say("done");
    output.next("nodes ls");
    expect([out.text, err.text]).toEqual(["", "done\nNext: skerry nodes ls\n"]);
  });

  it("are silenced by -q, but for warnings", () => {
    const { output, err } = outputFor({ quiet: true });
    output.say("done");
    output.next("nodes ls");
    output.warn("careful");
    expect(err.text).toBe("warning: careful\n");
  });
});

describe("colour", () => {
  const env = {};

  it("is used on a terminal", () => {
    expect(choosePaint({ terminal: true, wanted: true, env }).bad("x")).toBe("\u001b[31mx\u001b[39m");
  });

  it.each([
    ["a pipe", { terminal: false, wanted: true, env }],
    ["--no-color", { terminal: true, wanted: false, env }],
    ["NO_COLOR", { terminal: true, wanted: true, env: { NO_COLOR: "1" } }],
    ["a dumb terminal", { terminal: true, wanted: true, env: { TERM: "dumb" } }],
  ])("is not used with %s", (_, choice) => expect(choosePaint(choice).bad("x")).toBe("x"));

  it("ignores an empty NO_COLOR, as the convention asks", () => {
    expect(choosePaint({ terminal: true, wanted: true, env: { NO_COLOR: "" } }).enabled).toBe(true);
  });
});

describe("tables", () => {
  it("align numbers to the right and keep columns straight under colour", () => {
    const paint = choosePaint({ terminal: true, wanted: true, env: {} });
    const table = renderTable([1, 100], [{ header: "N", value: (row) => paint.good(String(row)), align: "right" }], {
      wide: false,
      paint: noPaint,
    });
    // The escape character itself is what is taken away.
    // oxlint-disable-next-line no-control-regex
    expect(table.replaceAll(/\u001b\[\d+m/g, "").split("\n")).toEqual(["  N", "  1", "100"]);
  });

  it("leave empty fields out and indent further lines", () => {
    const fields = [
      ["Name", "a"],
      ["Empty", ""],
      ["Labels", "x=1\ny=2"],
    ] as const;
    expect(renderFields(fields, noPaint)).toBe("Name    a\nLabels  x=1\n        y=2");
  });
});

describe("live lines", () => {
  it("redraw themselves on a terminal, clipped to its width", () => {
    const { output, err } = outputFor({ terminal: true });
    const lines = new LiveLines(output);
    lines.show(new Map([["a", "a is loading"]]));
    lines.show(new Map([["a", "x".repeat(60)]]));
    expect(err.text).toBe(`\r\u001b[Ja is loading\n\u001b[1A\r\u001b[J${"x".repeat(38)}…\n`);
  });

  it("print only what is new in a log", () => {
    const { output, err } = outputFor();
    const lines = new LiveLines(output);
    lines.show(
      new Map([
        ["a", "a is loading"],
        ["b", "b is ready"],
      ]),
    );
    lines.show(
      new Map([
        ["a", "a is ready"],
        ["b", "b is ready"],
      ]),
    );
    expect(err.text).toBe("a is loading\nb is ready\na is ready\n");
  });
});
