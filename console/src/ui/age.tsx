import { useEffect, useState } from "react";
import { ageText, agoText, untilNextAge } from "../core/text/age.ts";

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
