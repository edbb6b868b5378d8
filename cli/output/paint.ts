import { styleText } from "node:util";

type Colour = (text: string) => string;

/** Colour by meaning. Without colour every one returns its text as it came. */
export interface Style {
  readonly enabled: boolean;
  readonly good: Colour;
  readonly warn: Colour;
  readonly bad: Colour;
  readonly strong: Colour;
  readonly faint: Colour;
}

const plain: Colour = (text) => text;
export const noPaint: Style = { enabled: false, good: plain, warn: plain, bad: plain, strong: plain, faint: plain };

// validateStream: whether colour is wanted has been decided already, from the stream that is written to.
const style =
  (format: Parameters<typeof styleText>[0]) =>
  (text: string): string =>
    styleText(format, text, { validateStream: false });

const colourful: Style = {
  enabled: true,
  good: style("green"),
  warn: style("yellow"),
  bad: style("red"),
  strong: style("bold"),
  faint: style("dim"),
};

/** Colour only where a person looks: a terminal, and neither `--no-color` nor NO_COLOR (https://no-color.org). */
export function choosePaint(choice: {
  readonly terminal: boolean;
  readonly wanted: boolean;
  readonly env: NodeJS.ProcessEnv;
}): Style {
  const refused = (choice.env["NO_COLOR"] ?? "") !== "" || choice.env["TERM"] === "dumb";
  return choice.terminal && choice.wanted && !refused ? colourful : noPaint;
}
