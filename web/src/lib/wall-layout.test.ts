import { expect, test } from "vitest";
import { fullGrid, layOut, mosaic, turnOf } from "./wall-layout";

const WINDOW_PX = 1440 - 64;
const WINDOW_HEIGHT_PX = 900 - 108; // less the bar and the headline

function heightOf(channels: number[]): number {
  const layout = layOut(channels, true, WINDOW_PX);
  if (layout.kind !== "beside") throw new Error(layout.kind);
  return ((WINDOW_PX - 16 - layout.sidePx) * 9) / 16 + 44;
}

test("two to four devices are all seen at once on a laptop", () => {
  for (const channels of [[1, 1], [1, 1, 2], [1, 1, 1], [1, 1, 1, 1], [1, 4], [1, 1, 4]]) expect(heightOf(channels)).toBeLessThan(WINDOW_HEIGHT_PX);
});

test("the column beside the large picture is as high as that picture", () => {
  const layout = layOut([1, 1, 2], true, WINDOW_PX);
  if (layout.kind !== "beside") throw new Error(layout.kind);
  const column = layout.sidePx * (9 / 16) + layout.sidePx * (9 / 32) + 2 * 44 + 16;

  expect(Math.abs(column - heightOf([1, 1, 2]))).toBeLessThan(2);
});

test("two cameras share the width evenly", () => {
  expect(layOut([1, 1], true, WINDOW_PX)).toEqual({ kind: "beside", sidePx: 680 });
  expect(layOut([1, 2], true, WINDOW_PX)).toEqual({ kind: "beside", sidePx: 680 });
});

test("one device, many, or a narrow window have their own forms", () => {
  expect(layOut([4], false, WINDOW_PX).kind).toBe("single");
  expect(layOut([1, 1, 1, 1, 1], true, WINDOW_PX).kind).toBe("grid");
  expect(layOut([2, 4], false, WINDOW_PX).kind).toBe("grid");
  expect(layOut([1, 1, 1], true, 800).kind).toBe("narrow");
});

test("pictures of a recorder make a square as nearly as they can", () => {
  expect([1, 2, 3, 4, 5, 8, 16].map((count) => mosaic(count))).toEqual([
    { columns: 1, rows: 1 },
    { columns: 2, rows: 1 },
    { columns: 2, rows: 2 },
    { columns: 2, rows: 2 },
    { columns: 3, rows: 2 },
    { columns: 3, rows: 3 },
    { columns: 4, rows: 4 },
  ]);
});

test.each([
  ["one fills it", 1, 1920, 1080, 1, 1],
  ["four share it", 4, 1920, 1080, 2, 2],
  ["sixteen share it", 16, 1920, 1080, 4, 4],
  ["five need a third column", 5, 1920, 1080, 3, 2],
  ["on a screen that stands, they stand", 4, 1080, 1920, 1, 4],
  ["a very wide screen has them in a row", 3, 3840, 720, 3, 1],
])("full screen: %s", (_, count, width, height, columns, rows) => {
  expect(fullGrid(count, width, height)).toEqual({ columns, rows });
});

test("more pictures than a screen takes come in turns of equal size, none left out", () => {
  const all = Array.from({ length: 35 }, (_, index) => index);
  const turns = [0, 1, 2, 3].map((turn) => turnOf(all, turn));

  expect(turns.slice(0, 3).flatMap((turn) => turn.shown)).toEqual(all);
  expect(turns.map((turn) => [turn.number, turn.shown.length])).toEqual([[1, 12], [2, 12], [3, 11], [1, 12]]);
});
