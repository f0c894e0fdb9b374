import { expect, test } from 'vitest';
import { chooseFocus } from './focus';

const me = { key: 'me/camera', identity: 'me', local: true, screen: false };
const ada = { key: 'ada/camera', identity: 'ada', local: false, screen: false };
const obi = { key: 'obi/camera', identity: 'obi', local: false, screen: false };
const screen = { key: 'obi/screen', identity: 'obi', local: false, screen: true };
const mine = { key: 'me/screen', identity: 'me', local: true, screen: true };

test('the large picture is the one people mean', () => {
  for (const [candidates, pinned, speaker, key] of [
    [[], null, null, undefined],
    [[me], null, null, 'me/camera'],
    [[me, ada, obi], null, null, 'ada/camera'],
    [[me, ada, obi], null, 'obi', 'obi/camera'],
    [[me, ada, obi], null, 'me', 'ada/camera'],
    [[me, ada, obi, screen], null, 'ada', 'obi/screen'],
    [[me, mine, ada], null, 'ada', 'me/screen'],
    [[me, mine, screen], null, null, 'obi/screen'],
    [[me, ada, screen], 'ada/camera', 'obi', 'ada/camera'],
    [[me, ada], 'gone/camera', null, 'ada/camera'],
  ] as const) {
    expect(chooseFocus([...candidates], pinned, speaker)?.key).toBe(key);
  }
});
