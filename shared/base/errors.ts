interface ErrorEntry {
  /** HTTP status at the admin API and, unless a frame says otherwise, under `/v2`. */
  readonly status: number;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** One sentence for the documentation: when this happens. */
  readonly message: string;
  /** What the reader should do. */
  readonly fix: string;
}

/** Every error that a user can meet. Codes are stable; wording may improve. */
export const ERRORS = {
  INVALID_REQUEST: {
    status: 400,
    retryable: false,
    message: "A field is missing, unknown or out of range.",
    fix: "Correct what is named and send the request again.",
  },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    message: "The API key is missing, unknown, expired or revoked.",
    fix: "Send `Authorization: Bearer sk_…`; `skerry dev` writes its admin key to `.skerry/admin.key`.",
  },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    message: "The key's role does not allow this.",
    fix: "Use a key whose role allows it, or ask an admin for one.",
  },
  CSRF_REFUSED: {
    status: 403,
    retryable: false,
    message: "A request with a session's cookie does not come from a page of this control plane.",
    fix: "Send the `csrfToken` of `GET /api/v1/session` as `X-CSRF-Token`, from a page of the same origin; programs send a key instead of a cookie.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    retryable: false,
    message: "A page of an origin that is not listed asked a node that needs no key.",
    fix: "List the page's origin in `SKERRY_CORS_ORIGINS` of the node.",
  },
  HOST_REFUSED: {
    status: 403,
    retryable: false,
    message: "A node was asked by a name that it is not known by.",
    fix: "Ask it by its address or as `localhost`, or list the name in `SKERRY_LOCAL_NAMES` of the node.",
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    message: "The named object does not exist, or the key may not see it.",
    fix: "List the objects of that kind and check the name.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    message: "The path exists, but not with this method.",
    fix: "Use a method from the `Allow` header.",
  },
  REQUEST_TIMEOUT: {
    status: 408,
    retryable: true,
    message: "The request did not arrive in time.",
    fix: "Send it again over a faster link.",
  },
  CONFLICT: {
    status: 409,
    retryable: false,
    message: "The object is in a state that does not allow this.",
    fix: "Read the object again and decide anew.",
  },
  NODE_WAITING: {
    status: 403,
    retryable: true,
    message: "The node waits for an operator to approve it.",
    fix: "Compare its key and run `skerry nodes approve NAME`, or `skerry nodes reject NAME`.",
  },
  TOO_MANY_WAITING: {
    status: 429,
    retryable: true,
    message: "As many nodes as may wait for an approval do so already.",
    fix: "Approve or reject nodes of `skerry nodes ls --state waiting`; the node goes on trying.",
  },
  NAME_TAKEN: {
    status: 409,
    retryable: false,
    message: "A node with this name exists already.",
    fix: "Choose another name, or remove the old node first.",
  },
  STALE_ETAG: {
    status: 412,
    retryable: false,
    message: "Somebody changed the object since you read it.",
    fix: "Read it again, apply your change to the new state, and send the new ETag.",
  },
  TOO_LARGE: {
    status: 413,
    retryable: false,
    message: "The body is larger than the limit.",
    fix: "Send a smaller body, for example fewer rows at once.",
  },
  OUT_OF_MEMORY: {
    status: 413,
    retryable: false,
    message: "The model needs more memory for this request than its limit allows.",
    fix: "Send fewer rows or smaller inputs, or raise `limits.memMiB` of the deployment.",
  },
  CONTEXT_TOO_LONG: {
    status: 400,
    retryable: false,
    message: "The prompt and the tokens that may follow it are more than the model's context holds.",
    fix: "Send a shorter prompt, ask for fewer tokens, or raise `limits.memMiB` of the deployment up to the context that the model was trained for.",
  },
  RUN_TOO_LONG: {
    status: 422,
    retryable: false,
    message: "The run of this request alone took longer than a run may.",
    fix: "Send fewer rows or smaller inputs, or raise `limits.timeoutMs` of the deployment.",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    retryable: false,
    message: "The content type or encoding is not accepted here.",
    fix: "Send the content type or encoding that is named.",
  },
  IDEMPOTENCY_MISMATCH: {
    status: 422,
    retryable: false,
    message: "The Idempotency-Key was used before with another body.",
    fix: "Use a new key for a new request.",
  },
  UPLOAD_OFFSET: {
    status: 409,
    retryable: true,
    message: "The bytes do not begin at the offset of the upload.",
    fix: "Ask with HEAD for `Upload-Offset` and continue there.",
  },
  UPLOAD_INCOMPLETE: {
    status: 409,
    retryable: true,
    message: "The upload holds fewer bytes than were declared.",
    fix: "Send the rest, then complete it.",
  },
  DIGEST_MISMATCH: {
    status: 422,
    retryable: false,
    message: "The bytes do not have the declared SHA-256.",
    fix: "Declare the version again and send the file once more.",
  },
  INVALID_MODEL: {
    status: 422,
    retryable: false,
    message: "The file is not an ONNX model that Skerry can serve.",
    fix: "Export the model again without what was found.",
  },
  CANNOT_SHARE_HOST: {
    status: 422,
    retryable: false,
    message: "The deployment asks for a shared model host, and its version may not run in one.",
    fix: "Leave out what is named, or declare `limits.isolation: dedicated`.",
  },
  CLUSTER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "The Kubernetes API server did not answer, or refused the control plane.",
    fix: "Retry; if it lasts, look at the API server, and at the Role of the control plane's service account.",
  },
  JOIN_REFUSED: {
    status: 401,
    retryable: false,
    message: "The join token is wrong, used or expired.",
    fix: "Make a new one with `skerry token create --print-join`.",
  },
  IDENTITY_PROVIDER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "The identity provider does not answer, or its answer makes no sense.",
    fix: "Retry; if it lasts, look at the provider and at the settings `SKERRY_OIDC_…`. API keys and sessions go on meanwhile.",
  },
  NO_ELIGIBLE_NODE: {
    status: 503,
    retryable: true,
    message: "No node may hold this model now.",
    fix: "Ask `skerry explain` which filter refused each node.",
  },
  MODEL_NOT_READY: {
    status: 503,
    retryable: true,
    message: "The model is known, but no placement of it is ready.",
    fix: "Wait, or ask `skerry explain` why it is not ready.",
  },
  RESIDENCY_UNSATISFIABLE: {
    status: 503,
    retryable: true,
    message: "Residency leaves no node that may answer: the edge nodes with the model are away.",
    fix: "Wait for such a node, or loosen the residency of the request, or of the deployment where that is edge-only.",
  },
  QUEUE_FULL: {
    status: 429,
    retryable: true,
    message: "Every placement of the model would answer too late for the deadline, or its queue is full.",
    fix: "Slow down and retry after `Retry-After`; more replicas help.",
  },
  DEADLINE_EXCEEDED: {
    status: 504,
    retryable: true,
    message: "The answer did not come within the deadline.",
    fix: "Allow more time with `Skerry-Timeout-Ms`, or add replicas.",
  },
  CANCELLED: { status: 499, retryable: true, message: "The caller went away.", fix: "Nothing to do." },
  NODE_LOST: {
    status: 503,
    retryable: true,
    message: "The node went away with the request, and no other could take it.",
    fix: "Retry; more replicas make this rarer.",
  },
  HOST_CRASHED: {
    status: 503,
    retryable: true,
    message: "The process that ran the model ended during the request.",
    fix: "Retry; `skerry events` tells why the process ended.",
  },
  RUN_FAILED: {
    status: 500,
    retryable: false,
    message: "The model refused to run on this input.",
    fix: "Check the input against the model's metadata.",
  },
  EDGE_ONLY: {
    status: 403,
    retryable: false,
    message: "An edge-only request reached a cloud node.",
    fix: "This is a fault of Skerry: please report it.",
  },
  NOT_SERVED: {
    status: 501,
    retryable: false,
    message: "This part of the protocol is not served.",
    fix: "Leave the named parameter out.",
  },
  STARTING: {
    status: 503,
    retryable: true,
    message: "The process has not started yet.",
    fix: "Retry after `Retry-After`; if it lasts, look at its log, which says what the start waits for.",
  },
  DRAINING: {
    status: 503,
    retryable: true,
    message: "The process is about to stop and takes no new work.",
    fix: "Retry; another replica or the restarted process will answer.",
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "PostgreSQL does not answer.",
    fix: "Check the database; serving goes on meanwhile. Retry after `Retry-After`.",
  },
  STORAGE_FULL: {
    status: 507,
    retryable: true,
    message: "There is not enough disk space.",
    fix: "Free space on the disk that is named.",
  },
  STORAGE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: "The object store with the model files does not answer, or refused the control plane.",
    fix: "Check the object store and the control plane's credentials for it; what is loaded serves meanwhile. Retry after `Retry-After`.",
  },
  RATE_LIMITED: { status: 429, retryable: true, message: "Too many requests.", fix: "Retry after `Retry-After`." },
  INTERNAL: { status: 500, retryable: false, message: "A fault of Skerry.", fix: "Report it with the request id." },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An expected failure with a code from the catalog. Recognise it with `isSkerryError`, not `instanceof` (realms differ under Jest). */
export class SkerryError extends Error {
  readonly code: ErrorCode;
  /** Minimum wait before a retry, in ms, when the thrower knows one. */
  readonly retryAfterMs: number | undefined;

  /** `detail`: what happened, where by name, why, what to do. No secrets, no tensors. */
  constructor(
    code: ErrorCode,
    detail: string,
    options: { readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = "SkerryError";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export function isSkerryError(error: unknown): error is SkerryError {
  return error instanceof Error && error.name === "SkerryError" && "code" in error;
}

/** The text of whatever was thrown, for a log line or a failure's detail. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
