-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "engine" JSONB;
