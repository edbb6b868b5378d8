-- AlterTable
ALTER TABLE "models" ADD COLUMN     "kubernetes_namespace" TEXT;

-- AlterTable
ALTER TABLE "nodes" ADD COLUMN     "kubernetes_namespace" TEXT;

-- AlterTable
ALTER TABLE "deployments" ADD COLUMN     "kubernetes_namespace" TEXT;
