-- AlterTable
ALTER TABLE "audit_log" ADD COLUMN     "hash" TEXT,
ADD COLUMN     "prev" TEXT,
ALTER COLUMN "id" DROP DEFAULT;
DROP SEQUENCE "audit_log_id_seq";

-- CreateTable
CREATE TABLE "audit_head" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "entry_id" BIGINT NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "audit_head_pkey" PRIMARY KEY ("id")
);
ALTER TABLE "audit_head" ADD CONSTRAINT "audit_head_one_row_check" CHECK ("id" = 1);

-- The chain begins after the entries that are there.
INSERT INTO "audit_head" ("entry_id", "hash") SELECT coalesce(max("id"), 0), repeat('0', 64) FROM "audit_log";

-- These run with the rights of their owner, so that a role that serves needs no right to change the head or to delete entries.
CREATE FUNCTION lock_audit_head(OUT id BIGINT, OUT hash TEXT, OUT at TIMESTAMPTZ) LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
  SELECT head.entry_id, head.hash INTO STRICT id, hash FROM audit_head AS head FOR UPDATE;
  at := date_trunc('milliseconds', clock_timestamp());
END
$$;

CREATE FUNCTION move_audit_head() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE audit_head SET entry_id = NEW.id, hash = NEW.hash WHERE entry_id = NEW.id - 1 AND hash = NEW.prev;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'audit_log is a chain: entry % does not follow its head', NEW.id;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER "audit_log_chain" AFTER INSERT ON "audit_log" FOR EACH ROW EXECUTE FUNCTION move_audit_head();

-- Deletes what the head of the log says that it deletes, and what is from before the chain.
CREATE FUNCTION cut_audit_log(through BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
  deleted BIGINT;
BEGIN
  IF EXISTS (SELECT 1 FROM audit_log WHERE id <= through AND hash IS NOT NULL) AND NOT EXISTS (
    SELECT 1 FROM audit_log AS entry JOIN audit_head AS head ON entry.id = head.entry_id
    WHERE entry.action = 'audit.cut' AND entry.detail ->> 'through' = through::text)
  THEN
    RAISE EXCEPTION 'audit_log is append-only: no entry says that it is cut through %', through;
  END IF;
  PERFORM set_config('skerry.retention', 'on', true);
  DELETE FROM audit_log WHERE id <= through;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  PERFORM set_config('skerry.retention', 'off', true);
  RETURN deleted;
END
$$;
