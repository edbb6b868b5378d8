/** Ends the output with a line that scripts can read. A file that could not run, or leaked, counts as one failure. */
module.exports = class Reporter {
  onRunComplete(_contexts, results) {
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`;
    // Jest prints its own summary after every reporter's turn.
    process.once("exit", () => process.stdout.write(line));
  }
};
