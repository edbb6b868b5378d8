-- The functions that run with the rights of their owner look for tables in this schema first. Without `pg_temp` in the list a
-- role could put a table of its own, with the same name, before them.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
ALTER FUNCTION lock_audit_head() SET search_path FROM CURRENT;
ALTER FUNCTION move_audit_head() SET search_path FROM CURRENT;

-- As before, and no entry of the last day goes: who serves may append the entry that says what is cut, so without this it could
-- delete what it has just done.
CREATE OR REPLACE FUNCTION cut_audit_log(through BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
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
  IF EXISTS (SELECT 1 FROM audit_log WHERE id <= through AND at > now() - interval '1 day') THEN
    RAISE EXCEPTION 'audit_log is append-only: entry % is not older than a day', through;
  END IF;
  PERFORM set_config('skerry.retention', 'on', true);
  DELETE FROM audit_log WHERE id <= through;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  PERFORM set_config('skerry.retention', 'off', true);
  RETURN deleted;
END
$$;
