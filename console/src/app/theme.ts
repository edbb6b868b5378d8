export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
const KEY = "skerry.theme";

export function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === stored) ?? "system";
  } catch {
    return "system"; // storage is switched off
  }
}

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** Colours of the page from now on; those of the system also when the system changes them. */
export function applyTheme(theme: Theme): void {
  const show = (): void => {
    const isDark = theme === "dark" || (theme === "system" && systemIsDark.matches);
    document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
  };
  systemIsDark.onchange = show;
  show();
}

export function keepTheme(theme: Theme): void {
  applyTheme(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It holds until the page is loaded again.
  }
}
