import { seededRandom } from "../../../../shared/base/random.ts";

/**
 * Where the table comes from. Changing it (or `seededRandom`) moves every cut: new uploads would share no chunk with old
 * ones, so a unit test pins the cuts of a known file.
 */
const GEAR_SEED = 0x5ce2_21e5;

/** 256 random 32-bit integers, one for each value of a byte. */
export const GEAR_TABLE: Int32Array = gearTable(GEAR_SEED);

function gearTable(seed: number): Int32Array {
  const random = seededRandom(seed);
  return Int32Array.from({ length: 256 }, () => Math.floor(random.next() * 2 ** 32) | 0);
}
