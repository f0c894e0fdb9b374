// Which compressed copy of a file a browser takes. The copies are made by
// `pack.mjs` when the page is built; sending them is the page server's.

/** Smallest first, each with what the file's name ends in. */
export const COPIES = [
  { encoding: 'br', ending: '.br' },
  { encoding: 'gzip', ending: '.gz' },
];

/** The copies that an `Accept-Encoding` allows, smallest first (RFC 9110, 12.5.3).
 * @param {string | undefined} header */
export function acceptedCopies(header) {
  const weights = new Map((header ?? '').toLowerCase().split(',').map((part) => {
    const [name, ...parameters] = part.split(';').map((piece) => piece.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    return [name ?? '', weight === undefined ? 1 : Number(weight.slice(2))];
  }));
  return COPIES.filter(({ encoding }) => (weights.get(encoding) ?? weights.get('*') ?? 0) > 0);
}
