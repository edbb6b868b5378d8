const { setTimeout: delay } = require("node:timers/promises");
const vm = require("node:vm");
const { TestEnvironment } = require("jest-environment-node");

const binaryConstructors = Object.getOwnPropertyNames(globalThis).filter((name) =>
  /^(Shared)?ArrayBuffer$|^(Big)?(Int|Uint|Float)\d+(Clamped)?Array$/.test(name),
);

/** What Node calls the resources that hold a process open. Pending requests and reads are left out: they end by themselves. */
const watched = {
  FSEventWrap: "file watcher",
  PipeWrap: "pipe or Unix socket",
  ProcessWrap: "child process",
  TCPServerWrap: "listening TCP server",
  TCPSocketWrap: "TCP socket",
  TLSWrap: "TLS socket",
  Timeout: "timer",
  UDPWrap: "UDP socket",
};

/** A closed handle is gone only some turns of the event loop later, and a killed child when its exit was collected. */
const graceMs = 2_000;

/**
 * Gives the tests the host's binary constructors, because onnxruntime-node and Node's own modules know only those, and
 * fails a file that leaves something open.
 */
module.exports = class Environment extends TestEnvironment {
  #openBefore = {};

  constructor(config, context) {
    const { createContext } = vm;
    // Jest puts a Proxy in the place of the global object: each `Math` or `Map` of a test and of what it tests then takes 100
    // times as long, which was most of the time of tests that compute.
    vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
    for (const name of binaryConstructors) this.global[name] = globalThis[name];
  }

  async setup() {
    await super.setup();
    this.#openBefore = countOpen();
  }

  /** Adds the complaint to the file's own failures: a throw in `teardown` would hide them. */
  async handleTestEvent(event, state) {
    if (event.name !== "run_finish") return;
    const leaks = await leaksSince(this.#openBefore);
    if (leaks.length === 0) return;
    const message = `The test file left open: ${leaks.join(", ")}. Close it in afterEach or afterAll.`;
    state.unhandledErrors.push(Object.assign(new Error(message), { stack: message }));
  }
};

async function leaksSince(before) {
  for (let waitedMs = 0; ; waitedMs += 10) {
    const now = countOpen();
    const leaked = Object.keys(now).filter((name) => now[name] > (before[name] ?? 0));
    if (leaked.length === 0 || waitedMs >= graceMs) {
      return leaked.map((name) => `${now[name] - (before[name] ?? 0)} × ${watched[name]}`).sort();
    }
    await delay(10);
  }
}

function countOpen() {
  const counts = {};
  for (const name of process.getActiveResourcesInfo()) if (name in watched) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
