-- CreateTable
CREATE TABLE "demands" (
    "replica" TEXT NOT NULL,
    "deployment_name" TEXT NOT NULL,
    "rate_per_s" DOUBLE PRECISION NOT NULL,
    "service_ms" DOUBLE PRECISION,
    "waiting" INTEGER NOT NULL,
    "slots" INTEGER NOT NULL,

    CONSTRAINT "demands_pkey" PRIMARY KEY ("replica","deployment_name")
);
