-- DropIndex
DROP INDEX "placements_deployment_name_model_name_version_node_id_key";

-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "variants" JSONB NOT NULL DEFAULT '[]';

-- AlterTable
ALTER TABLE "placements" ADD COLUMN     "variant" TEXT NOT NULL DEFAULT '';

-- CreateIndex
CREATE UNIQUE INDEX "placements_deployment_name_model_name_version_variant_node__key" ON "placements"("deployment_name", "model_name", "version", "variant", "node_id");
