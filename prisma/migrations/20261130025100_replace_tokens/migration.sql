-- A token may be for a machine that takes the place of a node: the node, and its generation when the token was made.
ALTER TABLE "join_tokens" ADD COLUMN "replaces" TEXT,
ADD COLUMN "replaces_generation" INTEGER;
ALTER TABLE "join_tokens" ADD CONSTRAINT "join_tokens_replaces_fkey" FOREIGN KEY ("replaces") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;
