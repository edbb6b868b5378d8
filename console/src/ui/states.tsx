import type { ReactNode } from "react";
import { ApiFailure } from "../api/failure.ts";

export const Loading = ({ what = "Loading" }: { readonly what?: string }) => (
  <div className="state" role="status" aria-busy="true">
    <div className="skeleton" aria-hidden="true" />
    <div className="skeleton short" aria-hidden="true" />
    <div className="skeleton" aria-hidden="true" />
    <span className="visually-hidden">{what} …</span>
  </div>
);

export const Empty = ({ title, children }: { readonly title: string; readonly children?: ReactNode }) => (
  <div className="state empty">
    <h2>{title}</h2>
    {children}
  </div>
);

/** What went wrong, what to do about it, and a way to try again. A refusal for lack of rights says so. */
export function Failure({
  error,
  retry,
  isRetried = false,
}: {
  readonly error: unknown;
  readonly retry?: () => void;
  /** It is tried again without anybody's doing. */
  readonly isRetried?: boolean;
}) {
  if (error instanceof ApiFailure && error.status === 403)
    return (
      <div className="state forbidden" role="alert">
        <h2>Your key does not allow this</h2>
        <p>{error.message}</p>
        {error.fix !== "" && <p>{error.fix}</p>}
      </div>
    );
  return (
    <div className="state failure" role="alert">
      <h2>{error instanceof ApiFailure ? sentenceCase(error.message) : "The control plane could not be asked"}</h2>
      <p>{error instanceof ApiFailure ? error.fix : error instanceof Error ? error.message : String(error)}</p>
      {error instanceof ApiFailure && error.requestId !== "" && (
        <p className="faint">
          Request <code>{error.requestId}</code>
        </p>
      )}
      {isRetried && <p>It is tried again by itself, and this page goes on then.</p>}
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

const sentenceCase = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

/** A failure beside the control that caused it. */
export function Complaint({ error }: { readonly error: unknown }) {
  // The sentence of a refused request has its first fields already.
  const unsaid =
    error instanceof ApiFailure ? error.causes.filter((each) => !error.message.includes(each.message)) : [];
  return (
    <div className="complaint" role="alert">
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {unsaid.length > 0 && (
        <ul>
          {unsaid.map(({ field, message }) => (
            <li key={`${field} ${message}`}>
              {field !== "" && <code>{field}</code>} {message}
            </li>
          ))}
        </ul>
      )}
      {error instanceof ApiFailure && error.fix !== "" && <p className="faint">{error.fix}</p>}
    </div>
  );
}
