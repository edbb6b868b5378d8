import type { Logger } from "../../shared/base/logging/logger.ts";

const ignore = (): void => undefined;

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
