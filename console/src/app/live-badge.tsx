import { useNodes } from "../live/lists.ts";
import { Age } from "../ui/age.tsx";

/** Whether what is shown is what is: the link to the control plane. */
export function LiveBadge() {
  const { link } = useNodes();
  return (
    <p className={`live live-${link.kind}`} role="status">
      <span className="dot" aria-hidden="true" />
      {link.kind === "live" && "Live"}
      {link.kind === "connecting" && "Connecting …"}
      {link.kind === "refused" && "Not allowed to watch the fleet"}
      {link.kind === "broken" && (
        <>
          No link to the control plane for <Age since={link.since} plain />: what you see is from before
        </>
      )}
    </p>
  );
}
