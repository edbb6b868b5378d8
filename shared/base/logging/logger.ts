/** What the app layer may say. pino fits it; a test passes a recorder. Never pass secrets or tensors. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
