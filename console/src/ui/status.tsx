import type { ReactNode } from "react";
import type { Tone } from "../core/fleet/tone.ts";

/** A state as a sign and a word: colour alone says nothing to some readers. */
export const Status = ({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }) => (
  <span className={`status ${tone}`}>
    <svg className="sign" viewBox="0 0 12 12" width="11" height="11" aria-hidden="true">
      {tone === "good" && <circle cx="6" cy="6" r="5" />}
      {tone === "busy" && <path d="M6 1a5 5 0 1 0 5 5" fill="none" strokeWidth="2" stroke="currentColor" />}
      {tone === "warn" && <path d="M6 .8 11.6 11H.4z" />}
      {tone === "bad" && <path d="M1 3.5 3.5 1 6 3.5 8.5 1 11 3.5 8.5 6 11 8.5 8.5 11 6 8.5 3.5 11 1 8.5 3.5 6z" />}
      {tone === "idle" && <circle cx="6" cy="6" r="4.2" fill="none" strokeWidth="1.6" stroke="currentColor" />}
    </svg>
    {children}
  </span>
);

/** A share of a whole, as a bar with its text. */
export function Meter({
  value,
  label,
  tone = "good",
}: {
  readonly value: number;
  readonly label: string;
  readonly tone?: Tone;
}) {
  return (
    <span className="meter-row">
      <svg className={`meter ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect className="track" width="100" height="6" rx="3" />
        <rect className="bar" width={Math.max(0, Math.min(100, value))} height="6" rx="3" />
      </svg>
      <span className="meter-text">{label}</span>
    </span>
  );
}

/** A short history, oldest first, between 0 and `most`. The text beside it says its newest figure. */
export function Sparkline({
  values,
  most,
  label,
}: {
  readonly values: readonly number[];
  readonly most: number;
  readonly label: string;
}) {
  const step = 100 / Math.max(1, values.length - 1);
  const y = (value: number): number => 22 - Math.max(0, Math.min(1, value / most)) * 20;
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  if (values.length < 2) return null;
  return (
    <svg className="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && (
        <>
          <polygon className="spark-fill" points={`0,24 ${points} 100,24`} />
          <polyline points={points} />
        </>
      )}
    </svg>
  );
}
