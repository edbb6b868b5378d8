import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { shortcutOf } from "../core/shortcuts.ts";
import { PAGES } from "./pages.ts";

/** How long `g` waits for its second letter, in ms. */
const PREFIX_MS = 1_500;

/** `/`, `?` and `g` with a letter, unless something is being typed. */
export function useShortcuts(): { isHelpOpen: boolean; openHelp: () => void; closeHelp: () => void } {
  const navigate = useNavigate();
  const [isHelpOpen, setHelpOpen] = useState(false);
  useEffect(() => {
    let prefixUntil = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("[role=dialog],[role=alertdialog]")) return;
      const isAfterPrefix = event.timeStamp < prefixUntil;
      prefixUntil = 0;
      const shortcut = shortcutOf(event.key, isAfterPrefix, PAGES);
      if (shortcut === undefined) return;
      event.preventDefault();
      if (shortcut.kind === "prefix") prefixUntil = event.timeStamp + PREFIX_MS;
      if (shortcut.kind === "help") setHelpOpen(true);
      if (shortcut.kind === "search") document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
      if (shortcut.kind === "page") void navigate({ to: shortcut.path });
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate]);
  return { isHelpOpen, openHelp: () => setHelpOpen(true), closeHelp: () => setHelpOpen(false) };
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
