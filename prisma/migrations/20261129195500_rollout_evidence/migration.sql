-- CreateTable
CREATE TABLE "rollout_evidence" (
    "deployment_name" TEXT NOT NULL,
    "replica" TEXT NOT NULL,
    "rollout" INTEGER NOT NULL,
    "wave" INTEGER NOT NULL,
    "counts" JSONB NOT NULL,

    CONSTRAINT "rollout_evidence_pkey" PRIMARY KEY ("deployment_name","replica")
);

-- AddForeignKey
ALTER TABLE "rollout_evidence" ADD CONSTRAINT "rollout_evidence_deployment_name_fkey" FOREIGN KEY ("deployment_name") REFERENCES "deployments"("name") ON DELETE CASCADE ON UPDATE CASCADE;
