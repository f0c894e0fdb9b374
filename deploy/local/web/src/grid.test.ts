import { expect, test } from 'vitest';
import { fitGrid } from './grid';

test('tiles fit the stage and are never slivers', () => {
  for (const [width, height] of [[344, 560], [740, 250], [1256, 640], [1900, 900]] as const) {
    for (let count = 1; count <= 40; count++) {
      const grid = fitGrid(count, width, height);
      const rows = Math.ceil(grid.page / grid.columns);
      const where = `${count} on ${width}x${height}`;
      expect(grid.columns * grid.width + (grid.columns - 1) * 8, where).toBeLessThanOrEqual(width);
      expect(rows * grid.height + (rows - 1) * 8, where).toBeLessThanOrEqual(height);
      expect(grid.width, where).toBeGreaterThanOrEqual(136);
      expect(grid.width / grid.height, where).toBeLessThan(1.8);
      expect(grid.width / grid.height, where).toBeGreaterThan(0.74);
    }
  }
});

test('a phone stacks, a desktop spreads', () => {
  expect(fitGrid(2, 344, 560)).toMatchObject({ columns: 1, page: 2 });
  expect(fitGrid(2, 1256, 640)).toMatchObject({ columns: 2, page: 2 });
  expect(fitGrid(4, 344, 560)).toMatchObject({ columns: 2, page: 4 });
  expect(fitGrid(10, 1256, 640)).toMatchObject({ columns: 4, page: 10 });
});

test('an area that is not laid out yet asks for one tile', () => {
  expect(fitGrid(5, 0, 0).page).toBe(1);
});
