// @ts-check
/** What thin.test.js tries, for as long as it takes to be sure. */

import { test } from 'node:test';
import { LabStage, missing } from './lib/lab.js';
import { joinsAndListens, rebinds } from './lib/thin.js';

const skip = missing();
if (skip) console.log(skip);
const stage = LabStage.forThisFile(skip);
const BOUNDED = { timeout: 600_000, skip };

test('a NAT that forgets every half a minute leaves no pause worth the name on 3G', BOUNDED, (t) =>
  rebinds(t, stage, '3g', 30_000, 65_000));

test('nor does it on EDGE', BOUNDED, (t) => rebinds(t, stage, 'edge', 30_000, 65_000));

test('twenty joins on EDGE that loses 5 %, and a minute of sound that is whole', BOUNDED, (t) =>
  joinsAndListens(t, stage, 'rural-edge', 20, 60_000));
