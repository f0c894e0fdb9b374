// The averages of a meeting's connections.
import { expect, test } from "vitest";
import { averages, wordFor } from "./quality";
import type { Measure } from "./quality";

const MINUTE = 60_000;

function measure(change: Partial<Measure> = {}): Measure {
  return {
    fromMs: 0,
    toMs: MINUTE,
    score: 4,
    lossPercent: 1,
    jitterMs: 10,
    roundTripMs: 80,
    sentKbps: 400,
    receivedKbps: 900,
    drops: 0,
    ...change,
  };
}

test("longer stretches weigh more", () => {
  const told = averages([measure({ score: 5, drops: 1 }), measure({ score: 1, toMs: 3 * MINUTE, drops: 2 })], []);
  expect(told).toMatchObject({ minutes: 4, score: 2, drops: 3, roundTripMs: 80 });
});

test("pictures are averaged over the time they were shown", () => {
  const big = measure({ width: 1280, height: 720, framesPerSecond: 30 });
  const small = measure({ width: 320, height: 180, framesPerSecond: 15 });
  expect(averages([big, small, measure()], [])).toMatchObject({ width: 800, height: 450, framesPerSecond: 22.5 });
  expect(averages([measure()], [])).toMatchObject({ width: null, height: null, framesPerSecond: null });
});

test("a picture of which no pace is told does not slow the others", () => {
  const paced = measure({ width: 640, height: 360, framesPerSecond: 20 });
  const unpaced = measure({ width: 1280, height: 720 });
  expect(averages([paced, unpaced], [])).toMatchObject({ width: 960, height: 540, framesPerSecond: 20 });
  expect(averages([unpaced], [])).toMatchObject({ height: 720, framesPerSecond: null });
  // One that stood still was told so.
  expect(averages([paced, measure({ height: 360, framesPerSecond: 0 })], [])).toMatchObject({ framesPerSecond: 10 });
});

test("without measures there is nothing to say of pictures, and connections still count", () => {
  const told = averages([], [{ joinMs: 600, lost: false }, { joinMs: 900, lost: true }, { lost: false }, { lost: false }]);
  expect(told).toMatchObject({ connections: 4, minutes: 0, score: 0, height: null, joinMs: 750, lostShare: 0.25 });
});

test("a score has a word", () => {
  expect([5, 4, 3.9, 3, 2.9, 1].map(wordFor)).toEqual(["excellent", "excellent", "good", "good", "poor", "poor"]);
});
