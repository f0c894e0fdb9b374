// @ts-check
/** Calls over the thinnest lines that people here have: EDGE, and NATs that forget. At length: thin.long.js. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabStage, missing } from './lib/lab.js';
import { rating } from './lib/speech.js';
import { joinsAndListens, rebinds } from './lib/thin.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 120_000, skip };
const LISTEN_MS = 10_000;

test('a NAT that forgets in mid-call leaves no pause worth the name, whoever is behind it', BOUNDED, (t) =>
  rebinds(t, stage, '3g', 3_000, 10_000));

test('on EDGE that loses 5 % one gets in, mostly within eight seconds, and hears what is said', BOUNDED, (t) =>
  joinsAndListens(t, stage, 'rural-edge', 3, LISTEN_MS));

test('loss and delay cost what the E-model says', () => {
  for (const [lost, delayMs, r, mos] of [
    [0, 0, 93.2, 4.41],
    [0, 200, 90.2, 4.34],
    [0, 400, 69.1, 3.56],
    [0.03, 0, 71.3, 3.66],
    [1, 0, 6.8, 1],
  ]) {
    const found = rating(lost, delayMs);
    assert(Math.abs(found.r - r) < 0.1 && Math.abs(found.mos - mos) < 0.01, `${lost} lost, ${delayMs} ms: ${JSON.stringify(found)}`);
  }
});
