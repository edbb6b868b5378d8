-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "encoder" JSONB;
