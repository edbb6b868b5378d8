-- AlterTable
ALTER TABLE "control_plane_replicas" ADD COLUMN     "hops" JSONB;
