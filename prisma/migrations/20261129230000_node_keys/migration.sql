-- A token may let several nodes join: what it was used for is a row each.
CREATE TABLE "join_token_uses" (
    "token_id" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "node_id" TEXT NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "join_token_uses_pkey" PRIMARY KEY ("token_id","public_key")
);
ALTER TABLE "join_token_uses" ADD CONSTRAINT "join_token_uses_token_id_fkey" FOREIGN KEY ("token_id") REFERENCES "join_tokens"("id") ON DELETE CASCADE ON UPDATE CASCADE;
INSERT INTO "join_token_uses" ("token_id", "public_key", "node_id", "used_at")
  SELECT "id", "used_key", "used_by", "used_at" FROM "join_tokens" WHERE "used_at" IS NOT NULL AND "used_key" IS NOT NULL AND "used_by" IS NOT NULL;
ALTER TABLE "join_tokens" ADD COLUMN "max_uses" INTEGER NOT NULL DEFAULT 1,
DROP COLUMN "used_at",
DROP COLUMN "used_key",
DROP COLUMN "used_by";

-- Nodes replace their keys: those that are there count as made now.
ALTER TABLE "nodes" ADD COLUMN "key_made_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN "previous_key" TEXT,
ADD COLUMN "previous_key_until" TIMESTAMPTZ(3);
