import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, bodyOf } from "../../api/client.ts";
import { openSession } from "../../api/session.ts";
import { pathToReturnTo } from "../../core/return-to.ts";
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
        <Provider />
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

/** The way through an identity provider, where the control plane has one. */
function Provider() {
  const ways = useQuery({
    queryKey: ["login-ways"],
    queryFn: () => bodyOf(api.GET("/api/v1/login")),
    staleTime: Infinity,
  });
  const oidc = ways.data?.oidc;
  if (!oidc) return null;
  const returnTo = encodeURIComponent(pathToReturnTo(location));
  return (
    <div className="provider">
      <a className="button" href={`/api/v1/login/oidc?returnTo=${returnTo}`}>
        Sign in at {URL.parse(oidc.issuer)?.host ?? oidc.issuer}
      </a>
    </div>
  );
}
