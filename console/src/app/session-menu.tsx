import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { endSession } from "../api/session.ts";
import { Complaint } from "../ui/states.tsx";
import { changeSession } from "./query-client.ts";
import { useSession } from "./session-context.ts";
import { keepTheme, storedTheme, THEMES, type Theme } from "./theme.ts";

/** Who is signed in, the colours, and the way out. */
export function SessionMenu() {
  const { name, role } = useSession();
  const [theme, setTheme] = useState<Theme>(storedTheme);
  // A session that could not be ended is still good: after a reload this browser has it again.
  const leaving = useMutation({ mutationFn: endSession, onSuccess: () => changeSession(null) });
  return (
    <>
      <select
        aria-label="Colours"
        value={theme}
        onChange={(event) => {
          const chosen = THEMES.find((each) => each === event.target.value) ?? "system";
          setTheme(chosen);
          keepTheme(chosen);
        }}
      >
        <option value="system">Colours: system</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
      <span className="who" title={`Signed in as ${name}, ${role}`}>
        {name} <span className="tag">{role}</span>
      </span>
      <button type="button" className="quiet" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
        Sign out
      </button>
      {leaving.isError && <Complaint error={leaving.error} />}
    </>
  );
}
