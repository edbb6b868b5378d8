-- AlterTable
ALTER TABLE "node_sessions" ADD COLUMN     "disconnected_at" TIMESTAMPTZ(3),
ADD COLUMN     "disconnects" DOUBLE PRECISION NOT NULL DEFAULT 0;
