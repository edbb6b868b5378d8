-- CreateTable
CREATE TABLE "declared_pools" (
    "name" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "row_version" INTEGER NOT NULL DEFAULT 1,
    "kubernetes_namespace" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "declared_pools_pkey" PRIMARY KEY ("name")
);
