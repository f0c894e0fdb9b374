// @ts-check
/** Browsers that may use nothing but a TURN server: they are in a call like everybody else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERSIONS } from './lib/pages.js';
import { BOUNDED, Stage } from './lib/stage.js';

const CAMERA = { width: 320, height: 180, frameRate: 15, simulcast: false };

const stage = Stage.forThisFile({ EDGE_TURN__UDP: 'true' });

for (const version of VERSIONS) {
  test(`IC-1 sound and picture pass through TURN over UDP both ways with ${version}`, BOUNDED, async () => {
    const ada = await stage.participant(version, 'ada', version);
    const bayo = await stage.participant(version, 'bayo', version);
    await ada.join({ relayed: true });
    await bayo.join({ relayed: true });
    await Promise.all([ada.publishCamera(CAMERA), bayo.publishCamera(CAMERA)]);
    await Promise.all([ada.publishMicrophone(), bayo.publishMicrophone()]);
    await Promise.all([bayo.seesVideoOf('ada', 'camera', CAMERA), ada.seesVideoOf('bayo', 'camera', CAMERA)]);
    await Promise.all([ada.hears('bayo'), bayo.hears('ada')]);
    const metrics = await (await fetch(`http://127.0.0.1:${stage.worker.ports.admin}/metrics`)).text();
    assert(metrics.includes('edge_turn_answers_total{outcome="granted"}'), 'somebody was let through');
    await stage.dismiss(ada, bayo);
  });
}
