import { expect, test } from "vitest";
import { clampSpan, fitted, following, LONGEST_MS, moved, percentOf, SHORTEST_MS, stills, ticks, visiblePart, zoomed } from "./timeline-math";

const HOUR = 3600_000;
const span = { fromMs: 0, toMs: HOUR };

test("zooming keeps the moment under the pointer where it is", () => {
  const near = zoomed(span, 0.5, HOUR / 4, 10 * HOUR);

  expect(near.toMs - near.fromMs).toBe(HOUR / 2);
  expect(percentOf(near, HOUR / 4)).toBeCloseTo(25);
});

test("zoom ends at half a minute and at two days", () => {
  expect(zoomed(span, 1e-6, 0, HOUR)).toMatchObject({ toMs: SHORTEST_MS });
  const widest = zoomed(span, 1e6, 0, HOUR);
  expect(widest.toMs - widest.fromMs).toBe(LONGEST_MS);
});

test("the window never shows more than a fifth of the future", () => {
  expect(clampSpan({ fromMs: HOUR, toMs: 2 * HOUR }, HOUR).toMs).toBe(HOUR * 1.2);
});

test("the window follows a moment only when it leaves", () => {
  expect(following(span, HOUR / 2, 10 * HOUR)).toBe(span);
  const moved = following(span, HOUR, 10 * HOUR);
  expect(percentOf(moved, HOUR)).toBeCloseTo(80);
});

test("a stretch is cut to what is visible", () => {
  expect(visiblePart(span, { fromMs: -HOUR, toMs: HOUR / 4 })).toEqual({ left: 0, width: 25 });
  expect(visiblePart(span, { fromMs: 2 * HOUR, toMs: 3 * HOUR })).toBeNull();
});

test("labels stand on round times of the local day", () => {
  const dayStart = -30 * 60_000; // midnight half an hour before UTC's hour, as in Kathmandu's neighbours
  const { atMs, stepS } = ticks(span, 840, dayStart);

  expect(stepS).toBe(600);
  expect(atMs.every((at) => (at - dayStart) % 600_000 === 0)).toBe(true);
});

test("a strip has pictures of round moments, and only where something is recorded", () => {
  const minute = 60_000;
  const view = { fromMs: 0, toMs: 10 * minute };
  const found = stills(view, [{ fromMs: 1.5 * minute, toMs: 4 * minute }, { fromMs: 8 * minute, toMs: 20 * minute }], 720);

  expect(found.map((still) => still.atMs / minute)).toEqual([1.5, 2, 3, 8, 9]);
  expect(stills(moved(view, minute, 60 * minute), [{ fromMs: 0, toMs: 60 * minute }], 720).every((still) => still.atMs % minute === 0)).toBe(true);
});

test("a window is fitted to recordings that began a while ago", () => {
  const hour = 3_600_000;
  const view = { fromMs: -hour, toMs: 0 };

  expect(fitted(view, -10 * hour, 0)).toEqual(view);
  const short = fitted(view, -600_000, 0);
  expect(short.fromMs).toBeLessThan(-600_000);
  expect(short.toMs - short.fromMs).toBeLessThan(hour / 4);
});
