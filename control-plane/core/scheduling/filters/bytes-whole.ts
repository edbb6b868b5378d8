import type { Filter } from "./filter.ts";

/** The control plane has the bytes of the version, so that a node can receive them. */
export const bytesWhole: Filter = {
  code: "bytes-whole",
  keyOf: ({ version }) => version.damage === undefined,
  isOpenTo: ({ version }) => version.damage === undefined,
  refuse(_candidate, { version }) {
    if (version.damage === undefined) return undefined;
    const name = `${version.model}:${version.version}`;
    return { verdict: "not now", sentence: `${name} cannot be sent: ${version.damage}; push the same files again` };
  },
  wouldLift: (_candidate, { version }) => `push the same files of ${version.model}:${version.version} again`,
};
