-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "damage" TEXT;
