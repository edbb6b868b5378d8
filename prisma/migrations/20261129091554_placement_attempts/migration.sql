-- AlterTable
ALTER TABLE "placements" ADD COLUMN     "attempt_agent" TEXT,
ADD COLUMN     "attempt_mem_mib" INTEGER;
