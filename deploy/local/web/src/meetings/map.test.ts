import { expect, test } from 'vitest';
import { around, bow, frame, HEIGHT, OUTLINE, placeOf, WIDTH } from './map';

test('the country and its cities are inside the picture, as they lie', () => {
  const numbers = OUTLINE.match(/[\d.]+/g)!.map(Number);
  expect(Math.min(...numbers)).toBeGreaterThan(0);
  expect(Math.max(...numbers.filter((_, n) => n % 2 === 0))).toBeLessThan(WIDTH);
  expect(Math.max(...numbers.filter((_, n) => n % 2 === 1))).toBeLessThan(HEIGHT);
  const [lagos, abuja, kano] = ['lagos', 'Abuja', 'kano'].map((city) => placeOf(city, 0)) as [P, P, P];
  expect(lagos.x).toBeLessThan(abuja.x);
  expect(lagos.y).toBeGreaterThan(abuja.y);
  expect(abuja.y).toBeGreaterThan(kano.y);
});
type P = { x: number; y: number };

test('people stand round their city, all of them, none on another', () => {
  for (const many of [0, 1, 2, 9, 40]) {
    const places = around({ x: 300, y: 300 }, many);
    expect(places).toHaveLength(many);
    for (const [n, a] of places.entries()) {
      for (const b of places.slice(n + 1)) expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(20);
    }
  }
});

test('a link is a bow between two cities', () => {
  const { path, middle } = bow({ x: 0, y: 100 }, { x: 100, y: 0 });
  expect(path).toMatch(/^M0\.0 100\.0Q.* 100\.0 0\.0$/);
  expect(Math.hypot(middle.x - 50, middle.y - 50)).toBeGreaterThan(5);
});

test('the picture shows its places with room round them, in one shape', () => {
  for (const cities of [[], ['lagos'], ['lagos', 'abuja'], ['lagos', 'maiduguri', 'kano']]) {
    const places = cities.map((city) => placeOf(city, 0));
    const { x, y, width, height } = frame(places);
    expect(width / height).toBeCloseTo(4 / 3);
    for (const place of places) {
      expect(Math.min(place.x - x, x + width - place.x)).toBeGreaterThan(100);
      expect(Math.min(place.y - y, y + height - place.y)).toBeGreaterThan(100);
    }
  }
});
