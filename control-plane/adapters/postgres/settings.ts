import { newId } from "../../../shared/base/ids.ts";
import type { Random } from "../../../shared/base/random.ts";
import type { Database } from "./database.ts";

const CONTROL_PLANE_ID = "control-plane-id";

/** The name of this installation, `cp-…`: made by the replica that starts first, the same for every replica from then on. */
export function controlPlaneId(database: Database, random: Random): Promise<string> {
  return database.run(async (client) => {
    await client.$executeRaw`
      INSERT INTO settings (key, value) VALUES (${CONTROL_PLANE_ID}, ${newId<string>("cp", random)}) ON CONFLICT DO NOTHING`;
    return (await client.setting.findUniqueOrThrow({ where: { key: CONTROL_PLANE_ID } })).value;
  });
}
