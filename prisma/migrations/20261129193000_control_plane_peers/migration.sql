-- AlterTable
ALTER TABLE "control_plane_replicas" ADD COLUMN "peer_url" TEXT,
ADD COLUMN "public_key" TEXT;
