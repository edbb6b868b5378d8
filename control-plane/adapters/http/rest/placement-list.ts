import type { Placement } from "../../../../shared/api/v1/deployments/placements.ts";
import { placementLabels } from "../../../app/deployments/placement-dto.ts";
import type { ListWatch } from "../../../app/fleet/list-watch.ts";
import { WatchableList } from "./watchable-list.ts";

/** Some placements as a list, sorted by node. `watch`: of all placements, so the caller filters both. */
export const placementList = (
  placements: readonly Placement[],
  watch: ListWatch<Placement>,
): WatchableList<Placement, Placement, Placement> =>
  new WatchableList({
    list: () => placements,
    toItem: (each) => each,
    watch,
    listing: { keyOf: ({ node, id }) => `${node} ${id}`, labelsOf: placementLabels },
  });
