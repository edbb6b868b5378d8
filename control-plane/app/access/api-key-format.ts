/** `sk_<12 hex id>_<43 characters>`: the id is looked up, the secret is compared by its hash. */
export interface ApiKeyParts {
  readonly id: string;
  readonly secret: string;
}

const PATTERN = /^sk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** Undefined when the text is no API key at all. */
export function parseApiKey(text: string): ApiKeyParts | undefined {
  const [, id, secret] = PATTERN.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

export const formatApiKey = ({ id, secret }: ApiKeyParts): string => `sk_${id}_${secret}`;
