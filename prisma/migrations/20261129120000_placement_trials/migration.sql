-- AlterTable
ALTER TABLE "placements" ADD COLUMN     "limit_mib" INTEGER,
ADD COLUMN     "measured_mib" INTEGER,
ADD COLUMN     "sharing" JSONB;
