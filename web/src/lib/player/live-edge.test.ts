import { expect, test } from "vitest";
import { followRate } from "./sound";
import { holdEdge, JitterTarget, movingEdge, trail } from "./live-edge";

test.each([
  ["on target, plays as it is", 10 - 0.1, { kind: "rate", rate: 1 }],
  ["a little behind, plays faster", 10 - 0.3, { kind: "rate", rate: 1.08 }],
  ["well behind, plays much faster", 10 - 0.9, { kind: "rate", rate: 1.25 }],
  ["far behind, jumps", 10 - 2, { kind: "seek", toS: 9.9 }],
  ["two hundredths behind, plays a little faster", 10 - 0.12, { kind: "rate", rate: 1.03 }],
  ["a hundredth ahead plays as it is", 10 - 0.09, { kind: "rate", rate: 1 }],
  ["nearly at the edge, plays slower", 10 - 0.06, { kind: "rate", rate: 0.95 }],
  ["at the edge, waits", 10, { kind: "rate", rate: 0.75 }],
  ["past the edge, jumps back", 10.5, { kind: "seek", toS: 9.9 }],
])("a live picture %s", (_, positionS, expected) => {
  expect(holdEdge(positionS, 10, 0.1)).toEqual(expected);
});

test("a steady camera is trailed by one picture", () => {
  const target = new JitterTarget();

  for (let i = 0; i < 100; i += 1) target.arrived(i * 0.04, 1000 + i * 0.04);

  expect(target.targetS).toBeCloseTo(0.04, 3);
});

test("a stuttering line is given the room it needs, up to a second", () => {
  const target = new JitterTarget();

  for (let i = 0; i < 100; i += 1) target.arrived(i * 0.04, 1000 + i * 0.04 + (i % 10 === 0 ? 0.3 : 0));
  expect(target.targetS).toBeCloseTo(0.34, 2);

  for (let i = 0; i < 100; i += 1) target.arrived(i * 0.04, 1000 + i * 0.04 + (i % 10 === 0 ? 5 : 0));
  expect(target.targetS).toBe(1);
});

test("sound follows the picture by changes nobody hears", () => {
  expect(followRate(1, 0.01)).toBe(1);
  expect(followRate(1, 0.04)).toBeCloseTo(1.04);
  expect(followRate(1, 0.1)).toBeCloseTo(1.06);
  expect(followRate(1, -5)).toBeCloseTo(0.94);
  expect(followRate(2, 0)).toBe(2);
});

test("the edge moves on until the next picture is due, and no further", () => {
  expect(movingEdge(10, 0.1, 0.06)).toBeCloseTo(10.06);
  expect(movingEdge(10, 0.1, 3)).toBeCloseTo(10.1);
  expect(movingEdge(10, Number.POSITIVE_INFINITY, 3)).toBeCloseTo(10.25);
});

test.each([
  ["25 pictures a second: as close as the line allows", 0.05, 0.04, 0, 0.05],
  ["ten pictures a second: one in reserve", 0.05, 0.1, 0, 0.19],
  ["a picture every two seconds is not waited for twice", 0.05, 2, 0, 0.34],
  ["sound needs longer", 0.05, 0.04, 0.3, 0.3],
  ["sound that is missing needs nothing", 0.05, 0.04, 4, 0.05],
])("trailing: %s", (_, jitterS, intervalS, soundS, expected) => {
  expect(trail(jitterS, intervalS, soundS)).toBeCloseTo(expected);
});
