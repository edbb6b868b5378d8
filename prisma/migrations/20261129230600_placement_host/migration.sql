-- AlterTable
ALTER TABLE "placements" ADD COLUMN     "host" TEXT;
