import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { openSession } from "../../api/session.ts";
import type { Session } from "../../api/types.ts";
import { Complaint } from "../../ui/states.tsx";

/** Begins a session with an API key. The key is sent once, and this browser keeps a cookie that no script reads. */
export function SignIn({ onSignedIn }: { readonly onSignedIn: (session: Session) => void }) {
  const [key, setKey] = useState("");
  const opening = useMutation({ mutationFn: openSession, onSuccess: onSignedIn });
  return (
    <main className="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          opening.mutate({ key: key.trim() });
        }}
      >
        <h1>Skerry</h1>
        <p>Sign in with an API key.</p>
        <label className="field">
          <span>API key</span>
          <input
            type="password"
            name="key"
            autoComplete="off"
            placeholder="sk_…"
            required
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <button type="submit" className="primary" disabled={opening.isPending}>
          {opening.isPending ? "Signing in …" : "Sign in"}
        </button>
        {opening.isError && <Complaint error={opening.error} />}
        <details>
          <summary>Where is my key?</summary>
          <p>
            <code>npm start</code> prints an address that signs you in, and keeps the admin's key in{" "}
            <code>.skerry/admin.key</code>. Somewhere else an admin makes one: <code>skerry keys create</code>.
          </p>
        </details>
      </form>
    </main>
  );
}
