-- AlterTable
ALTER TABLE "model_versions" ADD COLUMN     "files" JSONB NOT NULL DEFAULT '[]',
ADD COLUMN     "main" TEXT NOT NULL DEFAULT 'model.onnx',
ADD COLUMN     "runtime" TEXT NOT NULL DEFAULT 'onnx';
