ALTER TABLE "model_versions" ADD COLUMN "pipeline" JSONB;
