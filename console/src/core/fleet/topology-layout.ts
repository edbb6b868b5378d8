export interface TopologyCell<Item> {
  readonly item: Item;
  readonly x: number;
  readonly y: number;
}

export interface TopologySite<Item> {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly cells: readonly TopologyCell<Item>[];
}

export interface Topology<Item> {
  readonly sites: readonly TopologySite<Item>[];
  readonly cell: { readonly width: number; readonly height: number };
  /** Whether a cell has room for words. */
  readonly isLarge: boolean;
  readonly height: number;
}

/** Cells for fleets up to so many nodes. */
const SIZES = [
  { upTo: 60, width: 172, height: 58 },
  { upTo: 300, width: 30, height: 30 },
  { upTo: 2_000, width: 16, height: 16 },
  { upTo: Infinity, width: 8, height: 8 },
] as const;
const GAP = 4;
const PADDING = 12;
const TITLE = 44;
const BETWEEN = 20;
/** Room above the sites for the control plane and the links to it. */
const TOP = 92;
const MIN_SITE = 150;

/** Sites as boxes in rows, each with a grid of its nodes; the largest site first, nodes in their order. */
export function layoutTopology<Item extends { readonly site: string }>(
  nodes: readonly Item[],
  width: number,
): Topology<Item> {
  const { width: cellWidth, height: cellHeight } = SIZES.find(({ upTo }) => nodes.length <= upTo) ?? SIZES[3];
  const groups = [...Map.groupBy(nodes, ({ site }) => site)].toSorted(
    ([a, few], [b, many]) => many.length - few.length || (a < b ? -1 : 1),
  );
  const sites: TopologySite<Item>[] = [];
  let [x, y, rowHeight] = [0, TOP, 0];
  for (const [name, members] of groups) {
    const most = Math.max(1, Math.floor((width - 2 * PADDING + GAP) / (cellWidth + GAP)));
    const columns = Math.min(most, Math.max(1, Math.ceil(Math.sqrt(members.length * (cellHeight > 40 ? 1 : 2)))));
    const rows = Math.ceil(members.length / columns);
    const siteWidth = Math.min(width, Math.max(MIN_SITE, columns * (cellWidth + GAP) - GAP + 2 * PADDING));
    const siteHeight = TITLE + rows * (cellHeight + GAP) - GAP + PADDING;
    if (x > 0 && x + siteWidth > width) [x, y, rowHeight] = [0, y + rowHeight + BETWEEN, 0];
    const [left, top] = [x, y];
    const cells = members.map((item, at) => ({
      item,
      x: left + PADDING + (at % columns) * (cellWidth + GAP),
      y: top + TITLE + Math.floor(at / columns) * (cellHeight + GAP),
    }));
    sites.push({ name, x: left, y: top, width: siteWidth, height: siteHeight, cells });
    x += siteWidth + BETWEEN;
    rowHeight = Math.max(rowHeight, siteHeight);
  }
  return {
    sites: centred(sites, width),
    cell: { width: cellWidth, height: cellHeight },
    isLarge: cellHeight > 40,
    height: y + rowHeight + GAP,
  };
}

/** Each row of sites in the middle of the map. */
function centred<Item>(sites: readonly TopologySite<Item>[], width: number): readonly TopologySite<Item>[] {
  return [...Map.groupBy(sites, ({ y }) => y).values()].flatMap((row) => {
    const last = row.at(-1);
    const by = last === undefined ? 0 : Math.floor((width - last.x - last.width) / 2);
    return row.map((site) => ({
      ...site,
      x: site.x + by,
      cells: site.cells.map((cell) => ({ ...cell, x: cell.x + by })),
    }));
  });
}

/** The node at a point; undefined between cells. */
export function nodeAt<Item>({ sites, cell }: Topology<Item>, x: number, y: number): TopologyCell<Item> | undefined {
  const site = sites.find((each) => x >= each.x && x < each.x + each.width && y >= each.y && y < each.y + each.height);
  return site?.cells.find((each) => x >= each.x && x < each.x + cell.width && y >= each.y && y < each.y + cell.height);
}
