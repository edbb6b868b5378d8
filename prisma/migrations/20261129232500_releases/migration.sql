-- What its signer says of a version.
ALTER TABLE "model_versions" ADD COLUMN "release" JSONB;
