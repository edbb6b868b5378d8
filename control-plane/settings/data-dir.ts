/** `SKERRY_DATA_DIR`, for what has to be known before the settings are read. */
export const DEFAULT_DATA_DIR = ".skerry/control-plane";
