// Where the picture of the cities puts things: the outline of the country, its
// cities, and people round their city.

export interface Point {
  x: number;
  y: number;
}

/** The picture's size in its own units. */
export const WIDTH = 640;
export const HEIGHT = 520;

/** Longitude and latitude of the border, roughly, clockwise from Badagry. */
const BORDER: [number, number][] = [
  [2.69, 6.26], [2.75, 7.87], [2.72, 8.51], [2.91, 9.14], [3.22, 9.44], [3.71, 10.06], [3.6, 10.33], [3.8, 10.73], [3.57, 11.33],
  [3.61, 11.66], [3.68, 12.55], [3.97, 12.96], [4.11, 13.53], [4.37, 13.75], [5.44, 13.87], [6.45, 13.49], [6.82, 13.12], [7.33, 13.1],
  [7.8, 13.34], [9.01, 12.83], [9.52, 12.85], [10.11, 13.28], [10.7, 13.25], [10.99, 13.39], [11.53, 13.33], [12.3, 13.04], [13.08, 13.6],
  [13.32, 13.56], [14, 12.46], [14.18, 12.48], [14.58, 12.09], [14.47, 11.9], [14.42, 11.57], [13.57, 10.8], [13.31, 10.16], [13.17, 9.64],
  [12.96, 9.42], [12.75, 8.72], [12.22, 8.31], [12.06, 7.8], [11.84, 7.4], [11.75, 6.98], [11.06, 6.64], [10.5, 7.06], [10.12, 7.04],
  [9.52, 6.45], [9.23, 6.44], [8.76, 5.48], [8.5, 4.77], [7.46, 4.41], [7.08, 4.46], [6.7, 4.24], [5.9, 4.26], [5.36, 4.89], [5.03, 5.61],
  [4.33, 6.27], [3.57, 6.26],
];

const CITIES: Record<string, [number, number]> = {
  lagos: [3.39, 6.52], abuja: [7.49, 9.06], kano: [8.52, 12], 'port-harcourt': [7.03, 4.82], ibadan: [3.9, 7.38], enugu: [7.5, 6.44],
  kaduna: [7.43, 10.52], maiduguri: [13.15, 11.84], sokoto: [5.24, 13.06], jos: [8.89, 9.9],
};

const WEST = 1.9;
const NORTH = 14.35;
const SCALE = Math.min(WIDTH / 13.4, HEIGHT / 10.8);

function project([longitude, latitude]: [number, number]): Point {
  return { x: (longitude - WEST) * SCALE, y: (NORTH - latitude) * SCALE };
}

export const OUTLINE = `M${BORDER.map(project).map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}Z`;

/** Where a region is; ones that are no city we know stand in a row below the map. */
export function placeOf(region: string, unknown: number): Point {
  const known = CITIES[region.toLowerCase()];
  return known ? project(known) : { x: 90 + unknown * 120, y: HEIGHT - 40 };
}

/** Room round the outermost cities, for people and names. */
const MARGIN = 118;
/** Never closer than this, or one city would fill the picture. */
const LEAST = 420;
const SHAPE = 4 / 3;

/** The part of the map that holds these places, in the picture's shape. */
export function frame(places: Point[]): { x: number; y: number; width: number; height: number } {
  if (places.length === 0) return { x: 0, y: 0, width: WIDTH, height: WIDTH / SHAPE };
  const [xs, ys] = [places.map(({ x }) => x), places.map(({ y }) => y)];
  const [left, right] = [Math.min(...xs) - MARGIN, Math.max(...xs) + MARGIN];
  const [top, bottom] = [Math.min(...ys) - MARGIN, Math.max(...ys) + MARGIN];
  const width = Math.max(right - left, (bottom - top) * SHAPE, LEAST);
  const height = width / SHAPE;
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}

const FIRST_RING = 46;
const RING = 30;
const APART = 28;

/** Places round a city for so many people, ring after ring, the first straight above it. */
export function around({ x, y }: Point, many: number): Point[] {
  const places: Point[] = [];
  for (let ring = 0; places.length < many; ring++) {
    const radius = FIRST_RING + ring * RING;
    const holds = Math.floor((2 * Math.PI * radius) / APART);
    const here = Math.min(holds, many - places.length);
    for (let n = 0; n < here; n++) {
      const angle = (2 * Math.PI * n) / here - Math.PI / 2;
      places.push({ x: x + radius * Math.cos(angle), y: y + radius * Math.sin(angle) });
    }
  }
  return places;
}

/** A bow from one city to another, and its top. */
export function bow(from: Point, to: Point): { path: string; middle: Point } {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  // Bent to the left of the way, so that it keeps clear of the names below the cities.
  const bend = to.x >= from.x ? 0.2 : -0.2;
  const control = { x: (from.x + to.x) / 2 + dy * bend, y: (from.y + to.y) / 2 - dx * bend };
  const middle = { x: (from.x + 2 * control.x + to.x) / 4, y: (from.y + 2 * control.y + to.y) / 4 };
  return { path: `M${from.x.toFixed(1)} ${from.y.toFixed(1)}Q${control.x.toFixed(1)} ${control.y.toFixed(1)} ${to.x.toFixed(1)} ${to.y.toFixed(1)}`, middle };
}
