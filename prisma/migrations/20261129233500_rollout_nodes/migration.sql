-- CreateTable
CREATE TABLE "rollout_nodes" (
    "deployment_name" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "node_id" TEXT NOT NULL,
    "node" JSONB NOT NULL,

    CONSTRAINT "rollout_nodes_pkey" PRIMARY KEY ("deployment_name","number","node_id")
);

-- AddForeignKey
ALTER TABLE "rollout_nodes" ADD CONSTRAINT "rollout_nodes_deployment_name_number_fkey" FOREIGN KEY ("deployment_name", "number") REFERENCES "rollouts"("deployment_name", "number") ON DELETE CASCADE ON UPDATE CASCADE;

-- The nodes of the rollouts so far
INSERT INTO "rollout_nodes" ("deployment_name", "number", "node_id", "node")
SELECT "deployment_name", "rollouts"."number", "each"->>'nodeId', "each"
FROM "rollouts", jsonb_array_elements(coalesce("record"->'nodes', '[]')) AS "each"
ON CONFLICT DO NOTHING;
UPDATE "rollouts" SET "record" = "record" - 'nodes';
