-- No version of the control plane has written `hold`.
ALTER TABLE "placements"
  DROP CONSTRAINT "placements_wanted_check",
  ADD CONSTRAINT "placements_wanted_check" CHECK ("wanted" IN ('serve', 'gone'));
