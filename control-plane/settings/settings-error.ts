/** What is wrong with the settings, a line for each. The program ends with it; starting again does not help. */
export function settingsError(
  lines: readonly string[],
  what = "the control plane cannot start with these settings",
): Error {
  const error = new Error(`${what}:\n${lines.join("\n")}`);
  error.name = SETTINGS_ERROR;
  return error;
}

const SETTINGS_ERROR = "SettingsError";

export const isSettingsError = (error: unknown): error is Error =>
  error instanceof Error && error.name === SETTINGS_ERROR;
