import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ColumnTypeEnum,
  bindMigrationAwareSqlAdapterFactory,
  type SqlQuery,
  type SqlResultSet,
} from "@prisma/driver-adapter-utils";
import { PrismaPg } from "@prisma/adapter-pg";
import * as bindings from "@prisma/schema-engine-wasm/schema_engine_bg";
import pg from "pg";
import { startEmbeddedPostgres } from "../cli/dev/embedded-postgres.ts";
import { migrate } from "../control-plane/adapters/postgres/migrate.ts";

const ROOT = join(import.meta.dirname, "..");
const MIGRATIONS = join(ROOT, "prisma/migrations");
const USAGE = `npm run migration -- NAME

Writes prisma/migrations/<timestamp>_NAME/migration.sql: the step from what the existing migrations make to what
prisma/schema.prisma says. NAME is lower-case letters, digits and underscores. Nothing is downloaded and no database
of yours is touched. What Prisma cannot express (checks, triggers) is added to the file by hand.
`;

/** What the migrations lack to make \`schema\`, as SQL; null when nothing. Works on an empty database, which it fills. */
export async function missingSql(url: string, schemaPath = join(ROOT, "prisma/schema.prisma")): Promise<string | null> {
  await migrate({ url });
  const content = await readFile(schemaPath, "utf8");
  const files = [{ path: schemaPath, content }];
  const pool = recordingPool(url);
  try {
    const engine = await startEngine(content, new MigrationAdapter(pool));
    const { exitCode, stdout } = await engine.diff({
      from: { tag: "schemaDatasource", files, configDir: ROOT },
      to: { tag: "schemaDatamodel", files },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    engine.free();
    return exitCode === 0 ? null : stdout;
  } finally {
    await pool.end();
  }
}

/** What TypeScript's and the package's declarations leave out. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: object,
  ): Promise<{ readonly instance: { readonly exports: { __wbindgen_start(): void } } }>;
};
const glue = bindings as typeof bindings & { __wbg_set_wasm(exports: object): void };

/** The package starts itself only under a bundler; on Node its module is instantiated by hand. */
async function startEngine(schema: string, factory: PrismaPg): Promise<bindings.SchemaEngine> {
  const wasm = new URL("schema_engine_bg.wasm", import.meta.resolve("@prisma/schema-engine-wasm/schema_engine_bg"));
  const { instance } = await WebAssembly.instantiate(await readFile(wasm), {
    "./schema_engine_bg.js": { ...bindings },
  });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine.new(
    { datamodels: [["schema.prisma", schema]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
}

const CHAR = 18;
const TEXT = 25;
/** Rows of a result → its columns of the type "char". */
const charColumns = new WeakMap<object, readonly number[]>();

/** The adapter does not know the type "char" of the catalog tables, which the engine reads: pass it off as text … */
function recordingPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url });
  const query = pool.query.bind(pool);
  return Object.assign(pool, {
    async query(config: pg.QueryArrayConfig): Promise<pg.QueryArrayResult> {
      const result = await query(config);
      const columns = result.fields.flatMap((field, index) => (field.dataTypeID === CHAR ? [index] : []));
      charColumns.set(result.rows, columns);
      const fields = result.fields.map((field) => (field.dataTypeID === CHAR ? { ...field, dataTypeID: TEXT } : field));
      return { ...result, fields };
    },
  });
}

/** … and call it a character again for the engine. */
class MigrationAdapter extends PrismaPg {
  override async connect(): ReturnType<PrismaPg["connect"]> {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query: SqlQuery): Promise<SqlResultSet> => {
      const result = await queryRaw(query);
      for (const index of charColumns.get(result.rows) ?? []) result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    };
    return adapter;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [name] = args;
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (args.length !== 1 || name === undefined || !/^[a-z0-9_]{1,60}$/.test(name)) {
    process.stderr.write(USAGE);
    return 64;
  }
  await mkdir(MIGRATIONS, { recursive: true });
  const directory = await mkdtemp(join(tmpdir(), "skerry-migration-"));
  try {
    const server = await startEmbeddedPostgres({ directory, settings: { fsync: "off" } });
    try {
      const sql = await missingSql(server.url);
      process.stdout.write(
        sql === null
          ? "Nothing to change: the migrations make what prisma/schema.prisma says.\n"
          : `Wrote ${await write(name, sql)}\n`,
      );
    } finally {
      await server.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return 0;
}

async function write(name: string, sql: string): Promise<string> {
  const stamp = new Date().toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  const folder = `${stamp}_${name}`;
  await mkdir(join(MIGRATIONS, folder));
  await writeFile(join(MIGRATIONS, folder, "migration.sql"), sql);
  await writeFile(join(MIGRATIONS, "migration_lock.toml"), 'provider = "postgresql"\n');
  return `prisma/migrations/${folder}/migration.sql`;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
