/**
 * Where tiles go on a wide wall: pure arithmetic over pixels.
 *
 * Up to four devices fit on one screen as one large picture with the others in a column beside it, as high together as the
 * large one. More become a grid. Narrow windows have one or two columns and need no arithmetic (Wall.svelte).
 */

/** Caption under a picture, and the space between tiles (`--s-4`). */
const CAPTION_PX = 44;
const GAP_PX = 16;
const PICTURE_RATIO = 9 / 16;
const MOST_BESIDE = 3;
/** Thinner than this, the words under a picture no longer fit. */
const THINNEST_PX = 240;
export const WIDE_PX = 1100;

export type WallLayout =
  | { readonly kind: "narrow" | "single" | "grid" }
  /** `sidePx`: width of the column beside the large picture. */
  | { readonly kind: "beside"; readonly sidePx: number };

/** Columns and rows of the pictures of a device with that many channels. */
export function mosaic(channels: number): { readonly columns: number; readonly rows: number } {
  const columns = Math.max(1, Math.ceil(Math.sqrt(channels)));
  return { columns, rows: Math.max(1, Math.ceil(channels / columns)) };
}

/** `channels`: of each device; `hasLarge`: one of them is a single picture that may be shown large. */
export function layOut(channels: readonly number[], hasLarge: boolean, widthPx: number): WallLayout {
  if (widthPx < WIDE_PX) return { kind: "narrow" };
  if (channels.length === 1) return { kind: "single" };
  const beside = hasLarge ? withoutOneSingle(channels) : [];
  if (beside.length === 0 || beside.length > MOST_BESIDE) return { kind: "grid" };
  const sidePx = Math.round(sideWidth(beside, widthPx));
  return sidePx < THINNEST_PX ? { kind: "grid" } : { kind: "beside", sidePx };
}

/** Solves: height of the large picture = heights of those beside it, their captions and gaps. Never more than half. */
function sideWidth(beside: readonly number[], widthPx: number): number {
  const ratio = beside.reduce((sum, count) => sum + (PICTURE_RATIO * mosaic(count).rows) / mosaic(count).columns, 0);
  const between = (beside.length - 1) * (CAPTION_PX + GAP_PX);
  const width = (PICTURE_RATIO * (widthPx - GAP_PX) - between) / (ratio + PICTURE_RATIO);
  return Math.min(width, (widthPx - GAP_PX) / 2);
}

function withoutOneSingle(channels: readonly number[]): number[] {
  const at = channels.indexOf(1);
  return channels.filter((_, index) => index !== at);
}

/** Most pictures at once on a full screen; more than these take turns. */
export const MOST_AT_ONCE = 16;

/** Columns and rows that give `count` pictures the largest area on a screen of that size. */
export function fullGrid(count: number, widthPx: number, heightPx: number): { readonly columns: number; readonly rows: number } {
  let best = { columns: 1, rows: Math.max(1, count) };
  let bestWidth = 0;
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.max(1, Math.ceil(count / columns));
    const width = Math.min(widthPx / columns, heightPx / rows / PICTURE_RATIO);
    if (width < bestWidth) continue;
    best = { columns, rows };
    bestWidth = width;
  }
  return best;
}

/** Which pictures are shown in a turn: turns of equal size, so that no picture has a screen for itself. */
export function turnOf<T>(all: readonly T[], turn: number): { readonly shown: readonly T[]; readonly number: number; readonly turns: number } {
  const turns = Math.max(1, Math.ceil(all.length / MOST_AT_ONCE));
  const size = Math.ceil(all.length / turns);
  const number = turn % turns;
  return { shown: all.slice(number * size, (number + 1) * size), number: number + 1, turns };
}
