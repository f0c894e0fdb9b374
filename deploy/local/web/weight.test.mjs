import { expect, test } from 'vitest';
import { filesOf } from './weight.mjs';

const manifest = {
  'index.html': { file: 'index.js', css: ['index.css'], imports: ['_shared.js'], dynamicImports: ['later.tsx'] },
  '_shared.js': { file: 'shared.js', imports: ['index.html'] },
  'later.tsx': { file: 'later.js', css: ['later.css'], imports: ['_shared.js'] },
};

test('what is imported at once counts once, what is fetched later does not', () => {
  expect(filesOf(manifest, ['index.html'])).toEqual(['index.css', 'index.js', 'shared.js']);
});

test('what a way in fetches later counts for it', () => {
  expect(filesOf(manifest, ['index.html', 'later.tsx'])).toEqual(['index.css', 'index.js', 'later.css', 'later.js', 'shared.js']);
});

test('a file that the build does not know is no light file', () => {
  expect(() => filesOf(manifest, ['gone.tsx'])).toThrow('gone.tsx');
});
