-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "rows" JSONB;
