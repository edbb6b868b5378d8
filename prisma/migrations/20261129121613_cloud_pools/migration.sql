-- CreateTable
CREATE TABLE "cloud_pools" (
    "name" TEXT NOT NULL,
    "findings" JSONB NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "cloud_pools_pkey" PRIMARY KEY ("name")
);
