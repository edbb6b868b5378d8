/** Fields whose values are secrets wherever they are in what is logged. */
const NAMES = ["authorization", "password", "secret", "apiKey", "joinToken", "databaseUrl", "connectionString"];

/** For pino: a secret that got into a log line by mistake is not written. */
export const REDACTION = {
  paths: NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  censor: "[secret]",
};
