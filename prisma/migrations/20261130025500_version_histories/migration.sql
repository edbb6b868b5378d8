-- CreateTable
CREATE TABLE "version_histories" (
    "node_id" TEXT NOT NULL,
    "model_name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "load_failures" INTEGER NOT NULL DEFAULT 0,
    "attempt_mem_mib" INTEGER,
    "attempt_agent" TEXT,
    "evicted_at" TIMESTAMPTZ(3),

    CONSTRAINT "version_histories_pkey" PRIMARY KEY ("node_id","model_name","version")
);

-- CreateIndex
CREATE INDEX "version_histories_model_name_version_idx" ON "version_histories"("model_name", "version");

-- AddForeignKey
ALTER TABLE "version_histories" ADD CONSTRAINT "version_histories_node_id_fkey" FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "version_histories" ADD CONSTRAINT "version_histories_model_name_version_fkey" FOREIGN KEY ("model_name", "version") REFERENCES "model_versions"("model_name", "version") ON DELETE CASCADE ON UPDATE CASCADE;
