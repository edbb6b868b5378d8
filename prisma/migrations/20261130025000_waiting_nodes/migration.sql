-- A token may leave it to an operator whether the node that joins with it may connect.
ALTER TABLE "join_tokens" ADD COLUMN "needs_approval" BOOLEAN NOT NULL DEFAULT false;
-- While it waits: until when, and where it joined from. Null: it may connect.
ALTER TABLE "nodes" ADD COLUMN "waiting_until" TIMESTAMPTZ(3),
ADD COLUMN "waiting_from" TEXT;
CREATE INDEX "nodes_waiting_until_idx" ON "nodes"("waiting_until");
