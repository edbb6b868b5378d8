-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "drain_deadline" TIMESTAMPTZ(3),
ADD COLUMN     "drain_removes" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "drain_announced" TEXT;

-- CheckConstraint
ALTER TABLE "nodes" ADD CONSTRAINT "nodes_drain_announced_check" CHECK ("drain_announced" IN ('overdue', 'done'));
