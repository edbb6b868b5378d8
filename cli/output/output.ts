import { escapeControls } from "../../shared/base/plain-text.ts";
import { choosePaint, type Style } from "./paint.ts";

/** The part of a stream that is used here; a test passes a recorder. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface Streams {
  readonly out: Sink;
  readonly err: Sink;
}

/**
 * Where everything that the command line prints goes through: data on stdout, words on stderr, so that
 * `skerry … | jq` never meets a sentence. Control characters that came from elsewhere are shown and not obeyed.
 */
export class Output {
  /** Colours for what goes to stdout. */
  readonly paint: Style;
  /** Colours for what goes to stderr. */
  readonly wordPaint: Style;
  /** A person watches stderr: bars and lines that redraw themselves make sense. */
  readonly live: boolean;
  /** A person watches stdout: a table may redraw itself. */
  readonly liveData: boolean;
  readonly streams: Streams;
  readonly #quiet: boolean;

  constructor(
    streams: Streams,
    options: { readonly quiet: boolean; readonly color: boolean; readonly env: NodeJS.ProcessEnv },
  ) {
    this.streams = streams;
    this.#quiet = options.quiet;
    this.paint = choosePaint({ terminal: streams.out.isTTY === true, wanted: options.color, env: options.env });
    this.wordPaint = choosePaint({ terminal: streams.err.isTTY === true, wanted: options.color, env: options.env });
    const canRedraw = options.env["TERM"] !== "dumb";
    this.live = streams.err.isTTY === true && !options.quiet && canRedraw;
    this.liveData = streams.out.isTTY === true && canRedraw;
  }

  /** What was asked for. */
  data(text: string): void {
    this.streams.out.write(`${escapeControls(text)}\n`);
  }

  /** What happens meanwhile; `-q` silences it. */
  say(text: string): void {
    if (!this.#quiet) this.streams.err.write(`${escapeControls(text)}\n`);
  }

  /** What must be known even with `-q`. */
  warn(text: string): void {
    this.streams.err.write(`${this.wordPaint.warn("warning:")} ${escapeControls(text)}\n`);
  }

  /** The last line of every change: what one would ask for next. */
  next(command: string): void {
    this.say(`${this.wordPaint.faint("Next:")} skerry ${command}`);
  }
}
