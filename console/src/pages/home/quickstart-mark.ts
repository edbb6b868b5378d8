import { useEffect, useState } from "react";
import type { QuickstartMark } from "../../core/fleet/quickstart.ts";

/** In the tab's own storage: a way over other pages, and a reload, must not lose the steps. */
const KEY = "skerry-quickstart";

/** What this tab remembers of the steps. `isEmpty`: nothing is deployed, so they are shown. */
export function useQuickstartMark(isEmpty: boolean): readonly [QuickstartMark, (mark: "shown" | "done") => void] {
  const [mark, setMark] = useState(read);
  const keep = (next: "shown" | "done"): void => {
    sessionStorage.setItem(KEY, next);
    setMark(next);
  };
  useEffect(() => {
    if (isEmpty) keep("shown");
  }, [isEmpty]);
  return [mark, keep];
}

function read(): QuickstartMark {
  const kept = sessionStorage.getItem(KEY);
  return kept === "shown" || kept === "done" ? kept : null;
}
