import { parse } from "csv-parse/sync";

/** Most characters of a line. */
const MAX_LINE = 65_536;

/** Cells by csv-parse (MIT): RFC 4180 with its quotes and line breaks inside them. Throws for lines of different lengths. */
export const parseCsv = (text: string, delimiter: string): readonly (readonly string[])[] =>
  parse(text, { delimiter, bom: true, skip_empty_lines: true, max_record_size: MAX_LINE });
