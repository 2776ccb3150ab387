import { expect, test } from "vitest";
import { aFrame, aRun } from "./samples.test-support";
import { MediaOrigin, WallMap } from "./wall-map";

test("both tracks of a run share one media time", () => {
  const origin = new MediaOrigin();
  const video = aRun({ timescale: 90_000, decodeStart: 90_000 });
  const audio = aRun({ timescale: 16_000, decodeStart: 0 });

  const picture = origin.secondsAt(video, 90_000 + 9_000);
  const sound = origin.secondsAt(audio, 1_600);

  expect(picture).toBeCloseTo(sound, 9);
});

test("a later run lies after the gap, where its wall time says", () => {
  const origin = new MediaOrigin();
  const first = aRun();
  const start = origin.secondsAt(first, first.decodeStart);

  const later = aRun({ wallStartUs: first.wallStartUs + 60e6, decodeStart: 0 });

  expect(origin.secondsAt(later, 0) - start).toBeCloseTo(60, 6);
  expect(origin.timestampOffset(later)).toBeCloseTo(origin.secondsAt(later, 0), 6);
});

test("the time of a picture is the one of its header, whatever the camera's clock did", () => {
  const map = new WallMap(60);
  map.add(10, aFrame({ wallUs: 5_000_000 }));
  map.add(10.04, aFrame({ wallUs: 5_050_000 }));

  expect(map.wallUsAt(10.02)).toBe(5_020_000);
  expect(map.wallUsAt(10.04)).toBe(5_050_000);
  expect(new WallMap(60).wallUsAt(1)).toBeNull();
});

test("stepping goes to the neighbouring picture, also when pictures came out of order", () => {
  const map = new WallMap(60);
  for (const at of [1, 1.08, 1.04]) map.add(at, aFrame());

  expect(map.neighbour(1, 1)).toBe(1.04);
  expect(map.neighbour(1.0405, 1)).toBe(1.08);
  expect(map.neighbour(1.08, -1)).toBe(1.04);
  expect(map.neighbour(1.08, 1)).toBeNull();
  expect(map.neighbour(1, -1)).toBeNull();
});

test("what is older than asked for is forgotten", () => {
  const map = new WallMap(5);
  for (let i = 0; i < 600; i += 1) map.add(i * 0.04, aFrame({ wallUs: i }));

  expect(map.neighbour(1, 1)).toBeGreaterThan(8);
});
