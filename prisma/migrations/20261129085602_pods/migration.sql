-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "pod_uid" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "nodes_pod_uid_key" ON "nodes"("pod_uid");
