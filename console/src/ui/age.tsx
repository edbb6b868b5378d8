import { useEffect, useState } from "react";
import { ageText, agoText, leftText, untilNextAge, untilNextLeft } from "../core/text/age.ts";

/** How long ago `since` (ms since 1970) was; it goes on by itself, with one timer for each change of the text. */
export function Age({ since, plain = false }: { readonly since: number; readonly plain?: boolean }) {
  const [now, setNow] = useState(Date.now);
  const age = Math.max(0, now - since);
  useEffect(() => {
    const timer = setTimeout(() => setNow(Date.now()), untilNextAge(Date.now() - since));
    return () => clearTimeout(timer);
  }, [now, since]);
  const instant = new Date(since);
  return (
    <time dateTime={instant.toISOString()} title={instant.toLocaleString()}>
      {plain ? ageText(age) : agoText(age)}
    </time>
  );
}

export const AgeOf = ({ instant }: { readonly instant: string }) => <Age since={Date.parse(instant)} />;

/** When `at` (ms since 1970) is: `in 10 min`, and once it has passed `3 min ago`. It goes on by itself. */
export function Until({ at }: { readonly at: number }) {
  const [now, setNow] = useState(Date.now);
  const left = at - now;
  useEffect(() => {
    const leftNow = at - Date.now();
    const wait = leftNow > 0 ? untilNextLeft(leftNow) : untilNextAge(-leftNow);
    const timer = setTimeout(() => setNow(Date.now()), wait);
    return () => clearTimeout(timer);
  }, [now, at]);
  const instant = new Date(at);
  return (
    <time dateTime={instant.toISOString()} title={instant.toLocaleString()}>
      {left > 0 ? `in ${leftText(left)}` : agoText(-left)}
    </time>
  );
}
