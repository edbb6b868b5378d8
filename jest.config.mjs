/** Which files a suite holds is said in scripts/suites.ts. */
export default {
  rootDir: import.meta.dirname,
  roots: ["<rootDir>/test"],
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  testEnvironment: "<rootDir>/test/support/jest/environment.cjs",
  reporters: ["default", "<rootDir>/test/support/jest/reporter.cjs"],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2024", parser: { syntax: "typescript" } }, module: { type: "es6" }, sourceMaps: "inline" },
    ],
  },
  maxWorkers: 2,
  // Longer than a test waits for anything, so that what it waited for in vain is named.
  testTimeout: 60_000,
  // Jest runs a single file in its own process unless a limit is set, and then a leaked handle hangs the whole run.
  workerIdleMemoryLimit: "1GB",
};
