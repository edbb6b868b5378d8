-- AlterTable
ALTER TABLE "node_sessions" ADD COLUMN     "announced" TEXT,
ADD COLUMN     "load" JSONB,
ADD COLUMN     "ready" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "control_plane_replicas" (
    "id" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "control_plane_replicas_pkey" PRIMARY KEY ("id")
);

ALTER TABLE "node_sessions"
  ADD CONSTRAINT "node_sessions_announced_check" CHECK ("announced" IN ('ready', 'detached', 'lost'));
