import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { hasCode, readSession, sessionQuery } from "../api/session.ts";
import { onSessionChange } from "../api/session-token.ts";
import { SignIn } from "../pages/sign-in/sign-in.tsx";
import { Failure, Loading } from "../ui/states.tsx";
import { LiveBadge } from "./live-badge.tsx";
import { PAGES, pageOf } from "./pages.ts";
import { SessionMenu } from "./session-menu.tsx";
import { changeSession } from "./query-client.ts";
import { SessionContext } from "./session-context.ts";
import { ShortcutHelp } from "./shortcut-help.tsx";
import { useShortcuts } from "./use-shortcuts.ts";

/** The frame of every page: navigation, who is signed in, and whether what is shown is live. */
export function Shell() {
  const session = useQuery(sessionQuery);
  useEffect(() => onSessionChange(changeSession), []);
  useEffect(() => {
    // An address with a code that is pasted into an open tab loads no page.
    const look = (): void => {
      if (hasCode()) void readSession().then(changeSession, () => undefined);
    };
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  if (session.isPending) return <Loading />;
  if (session.isError) return <Failure error={session.error} retry={() => void session.refetch()} />;
  if (session.data === null) return <SignIn onSignedIn={changeSession} />;
  return (
    <SessionContext value={session.data}>
      <Frame />
    </SessionContext>
  );
}

function Frame() {
  const { isHelpOpen, closeHelp, openHelp } = useShortcuts();
  const pathname = useRouterState({ select: ({ location }) => location.pathname });
  const page = pageOf(pathname);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = page === undefined || page.path === "/" ? "Skerry" : `${page.name} · Skerry`;
  }, [page]);
  // A new page is announced, and the next Tab begins in it.
  useEffect(() => {
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [pathname]);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <nav className="nav" aria-label="Pages">
        <Link to="/" className="brand">
          <Mark />
          <span>Skerry</span>
        </Link>
        {(["Fleet", "Models", "System"] as const).map((group) => (
          <div key={group} className="nav-group">
            <p className="nav-title" id={`nav-${group}`}>
              {group}
            </p>
            <ul aria-labelledby={`nav-${group}`}>
              {PAGES.filter((each) => each.group === group).map(({ path, name, key }) => (
                <li key={path}>
                  <Link to={path} aria-current={page?.path === path ? "page" : undefined} title={`g ${key}`}>
                    {name}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <header className="top">
        <LiveBadge />
        <button type="button" className="quiet" onClick={openHelp}>
          Shortcuts <kbd>?</kbd>
        </button>
        <SessionMenu />
      </header>
      <main id="main" ref={main} tabIndex={-1} aria-label={page?.name ?? "Page"}>
        <Outlet />
      </main>
      <ShortcutHelp isOpen={isHelpOpen} onClose={closeHelp} />
    </div>
  );
}

const Mark = () => (
  <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
    <rect width="32" height="32" rx="7" fill="#0e5a6b" />
    <path
      d="M4 22c3 0 3-2 6-2s3 2 6 2 3-2 6-2 3 2 6 2"
      fill="none"
      stroke="#9fe0ec"
      strokeWidth="2.4"
      strokeLinecap="round"
    />
    <path d="M9 17 14 8l4 6 2-3 4 6z" fill="#fff" />
  </svg>
);
