import type pg from "pg";

/**
 * Gives the role of `serviceUrl` what a control plane needs, and makes it when it is missing: it reads and writes the tables,
 * and may neither change them nor the entries of the audit log. `client` is of the tables' owner, and holds the lock of
 * migrations: two that grant at once would fail each other. For a role that owns the tables nothing is done.
 */
export async function prepareServiceRole(client: pg.Client, serviceUrl: string): Promise<void> {
  const { username, password } = new URL(serviceUrl);
  const name = decodeURIComponent(username);
  const { rows } = await client.query<{ schema: string; isOwner: boolean; exists: boolean }>(
    `SELECT current_schema() AS schema, current_user = $1 AS "isOwner",
       EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1) AS exists`,
    [name],
  );
  const [found] = rows;
  if (!found || found.isOwner) return;
  const { schema, exists } = found;
  const role = client.escapeIdentifier(name);
  const within = client.escapeIdentifier(schema);
  const secret = client.escapeLiteral(decodeURIComponent(password));
  const statements = [
    ...(exists ? [] : [`CREATE ROLE ${role} LOGIN PASSWORD ${secret}`]),
    `GRANT USAGE ON SCHEMA ${within} TO ${role}`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${within} TO ${role}`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${within} TO ${role}`,
    `REVOKE INSERT, UPDATE, DELETE ON audit_log, audit_head, _prisma_migrations FROM ${role}`,
    `GRANT INSERT ON audit_log TO ${role}`,
  ];
  // One transaction: a control plane that serves meanwhile never lacks a right.
  await client.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
}
