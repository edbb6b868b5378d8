-- AlterTable
ALTER TABLE "uploads" ADD COLUMN     "repair" JSONB;
