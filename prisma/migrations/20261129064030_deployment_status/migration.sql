-- AlterTable
ALTER TABLE "deployments" ADD COLUMN     "observed_generation" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "status" JSONB,
ADD COLUMN     "status_at" TIMESTAMPTZ(3);
