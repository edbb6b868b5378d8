-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "text" JSONB;
