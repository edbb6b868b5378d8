import { certain, NOT_ENOUGH, type Check } from "./check.ts";

/** Crashes of both versions on the same machines may have one cause there: then the new version is not to blame. */
const crashesCheck: Check = {
  name: "host-crashes",
  look({ maxHostCrashes }, evidence) {
    const [old, fresh] = [evidence.old, evidence.new];
    const isMany = fresh.crashes > maxHostCrashes;
    const isMore = fresh.crashes * Math.max(1, old.replicas) > old.crashes * Math.max(1, fresh.replicas);
    return {
      found: certain(!(isMany && isMore)),
      sentence: `model hosts of the new version crashed ${times(fresh.crashes)} with ${fresh.replicas} replicas, those of the old one ${times(old.crashes)} with ${old.replicas}; ${times(maxHostCrashes)} is allowed`,
    };
  },
};

const memoryCheck: Check = {
  name: "memory",
  look({ maxMemoryRatio }, evidence) {
    if (maxMemoryRatio === undefined) return undefined;
    const [old, fresh] = [evidence.old.memoryMiB, evidence.new.memoryMiB];
    if (old === undefined || fresh === undefined)
      return { found: NOT_ENOUGH, sentence: "the memory of both versions was not measured yet" };
    return {
      found: certain(fresh <= maxMemoryRatio * old),
      sentence: `a replica of the new version has ${Math.round(fresh)} MiB, one of the old version ${Math.round(old)} MiB; ${maxMemoryRatio} times as much is allowed`,
    };
  },
};

export const hostChecks: readonly Check[] = [crashesCheck, memoryCheck];

const times = (count: number): string => (count === 1 ? "once" : `${count} times`);
