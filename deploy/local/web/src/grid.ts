// Where tiles go in the grid: the arrangement that shows them largest.

/** How tiles of one size are laid out on one page. */
export interface Grid {
  columns: number;
  width: number;
  height: number;
  /** Tiles on one page; more go to the next. */
  page: number;
}

const WIDEST = 16 / 9;
/** On a stage that lies, upright tiles would cut cameras' sides off; on one that stands, they fill it. */
const TALLEST = { lying: 5 / 4, standing: 3 / 4 };
const GAP = 8;
const NARROWEST = 136;
const MOST = 25;

/** The largest tiles that fit `count` of them into the area, a page at a time when they would get too small. */
export function fitGrid(count: number, width: number, height: number): Grid {
  for (let page = Math.min(Math.max(count, 1), MOST); page > 1; page--) {
    const grid = largest(page, width, height);
    if (grid.width >= NARROWEST) return grid;
  }
  return largest(1, width, height);
}

function largest(page: number, width: number, height: number): Grid {
  const tallest = width > height ? TALLEST.lying : TALLEST.standing;
  let best: Grid = { columns: 1, width: 0, height: 0, page };
  for (let columns = 1; columns <= page; columns++) {
    const rows = Math.ceil(page / columns);
    const cell = { width: (width - GAP * (columns - 1)) / columns, height: (height - GAP * (rows - 1)) / rows };
    const tile = within(Math.max(cell.width, 0), Math.max(cell.height, 0), tallest);
    if (tile.width * tile.height > best.width * best.height) best = { columns, ...tile, page };
  }
  return best;
}

/** The largest tile in a cell that is neither too wide nor too tall for a face. */
function within(width: number, height: number, tallest: number): { width: number; height: number } {
  return {
    width: Math.floor(Math.min(width, height * WIDEST)),
    height: Math.floor(Math.min(height, width / tallest)),
  };
}
