/** One experiment of the design: runs for seconds, returns what it measured by name. Pure: same figures every time. */
export type Experiment = () => Readonly<Record<string, number>>;
