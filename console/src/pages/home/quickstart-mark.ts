import { useEffect, useState } from "react";
import type { QuickstartMark } from "../../core/fleet/quickstart.ts";

/** In the tab's own storage: a way over other pages, and a reload, must not lose the steps. */
const KEY = "skerry-quickstart";

/** What this tab remembers of the steps, and what ends them. `isEmpty`: nothing is deployed, so they are shown. */
export function useQuickstartMark(isEmpty: boolean): readonly [QuickstartMark, () => void] {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (isEmpty) sessionStorage.setItem(KEY, "shown");
  }, [isEmpty]);
  const finish = (): void => {
    sessionStorage.setItem(KEY, "done");
    setDone(true);
  };
  return [isDone ? "done" : read(), finish];
}

function read(): QuickstartMark {
  const kept = sessionStorage.getItem(KEY);
  return kept === "shown" || kept === "done" ? kept : null;
}
