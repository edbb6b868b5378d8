-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "deployments" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "model_labels" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "successor_id" TEXT;
