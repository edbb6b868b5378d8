/**
 * Parts of the protocol that not every peer of version 1 knows. The node names in `hello` those that it has, `welcome`
 * answers with those that both have, and only these are used. Unknown names are ignored.
 */
export const FEATURE = {
  /** The node may answer with RESPONSE_HEAD, DATA and TRAILERS, and the control plane grants it CREDIT. */
  RESPONSE_STREAMS: "response-streams",
  /** The node may say `capabilities` again when they have changed. */
  CHANGED_CAPABILITIES: "changed-capabilities",
  /** The node may ask for the API keys that its own address takes. */
  CALLER_KEYS: "caller-keys",
} as const;

/** What this build has, as `hello` names it. */
export const FEATURES: readonly string[] = Object.values(FEATURE);

/** Those of a peer's features that this build has too. */
export const commonFeatures = (features: readonly string[]): string[] =>
  features.filter((feature) => FEATURES.includes(feature));
