-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "notes" JSONB NOT NULL DEFAULT '[]';
