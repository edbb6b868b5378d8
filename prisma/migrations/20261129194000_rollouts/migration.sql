-- CreateTable
CREATE TABLE "rollouts" (
    "deployment_name" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "record" JSONB NOT NULL,
    "began_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "phase_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "rollouts_pkey" PRIMARY KEY ("deployment_name","number")
);

-- AddForeignKey
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_deployment_name_fkey" FOREIGN KEY ("deployment_name") REFERENCES "deployments"("name") ON DELETE CASCADE ON UPDATE CASCADE;
