/** How near a variant was to the reference when its version was published. */
export interface Accuracy {
  readonly samples: number;
  /** Null: no output holds a decision. */
  readonly agreement: number | null;
  readonly maxDifference: number;
}

/** The graph that `main` of a version names, and the choice that is left to the planner. */
export const REFERENCE = "reference";
export const AUTO = "auto";

/** `99.2 %`, or `no decisions` where the outputs hold none. Rounded down: 99.99 % is not all. */
export const agreementText = ({ agreement }: Accuracy): string =>
  agreement === null ? "no decisions" : `${Math.floor(agreement * 1_000) / 10} %`;

/** With the digits that matter: `0.0184`. */
export const differenceText = ({ maxDifference }: Accuracy): string => String(Number(maxDifference.toPrecision(3)));

/** A version with the graph that a node has of it: `layer:1 (int8)`; of a version with one graph `layer:1`. */
export const versionText = (version: string | number, variant: string | null | undefined): string =>
  variant === null || variant === undefined ? String(version) : `${version} (${variant})`;

/** The variant that a route of `Skerry-Route` names, if it does. */
export const routedVariant = (route: string | null): string | undefined =>
  /(?:^|[;,\s])variant="?([a-z][a-z0-9-]*)/.exec(route ?? "")?.[1];
