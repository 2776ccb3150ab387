/** Geometry of the timeline: pure functions over milliseconds and pixels. */

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export const SHORTEST_MS = 30_000;
export const LONGEST_MS = 48 * 3600_000;

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

export function clampSpan(span: Span, latestMs: number): Span {
  const length = Math.max(SHORTEST_MS, Math.min(LONGEST_MS, span.toMs - span.fromMs));
  // A fifth of the window may show the future, so that "now" need not stick to the edge.
  const toMs = Math.min(span.toMs, latestMs + length * 0.2);
  return { fromMs: toMs - length, toMs };
}

/** Makes the window `factor` times as long, with the moment at `anchorMs` staying where it is. */
export function zoomed(span: Span, factor: number, anchorMs: number, latestMs: number): Span {
  const length = Math.max(SHORTEST_MS, Math.min(LONGEST_MS, (span.toMs - span.fromMs) * factor));
  const share = (anchorMs - span.fromMs) / (span.toMs - span.fromMs);
  const fromMs = anchorMs - length * share;
  return clampSpan({ fromMs, toMs: fromMs + length }, latestMs);
}

export function moved(span: Span, byMs: number, latestMs: number): Span {
  return clampSpan({ fromMs: span.fromMs + byMs, toMs: span.toMs + byMs }, latestMs);
}

/** The window that holds `ms`: unchanged if it is inside, otherwise moved so that it is not at the edge. */
export function following(span: Span, ms: number, latestMs: number): Span {
  const length = span.toMs - span.fromMs;
  if (ms >= span.fromMs + length * 0.02 && ms <= span.toMs - length * 0.04) return span;
  const share = ms > span.toMs - length * 0.04 ? 0.8 : 0.2;
  return clampSpan({ fromMs: ms - length * share, toMs: ms + length * (1 - share) }, latestMs);
}

/** A window for what there is: shorter than `span` while the recordings began only a while ago. Ends a little after now. */
export function fitted(span: Span, oldestMs: number, nowMs: number): Span {
  const length = Math.max(120_000, (nowMs - oldestMs) * 1.35);
  if (length >= span.toMs - span.fromMs) return span;
  return { fromMs: nowMs - length * 0.85, toMs: nowMs + length * 0.15 };
}

/** Percent from the left edge; outside 0 to 100 where the moment is outside the window. */
export function percentOf(span: Span, ms: number): number {
  return ((ms - span.fromMs) / (span.toMs - span.fromMs)) * 100;
}

/** Left edge and width in percent of what is visible of a stretch, or null when nothing is. */
export function visiblePart(span: Span, stretch: Span): { left: number; width: number } | null {
  const left = Math.max(0, percentOf(span, stretch.fromMs));
  const right = Math.min(100, percentOf(span, stretch.toMs));
  return right > left ? { left, width: right - left } : null;
}

const STILL_PX = 72; // as wide as a 16:9 picture in the strip is

/** A slot of the strip: its picture is that of `atMs`, the slot's start or the start of what is recorded in it. */
export interface Still extends Span {
  readonly atMs: number;
}

/** Slots of round length, so that the same moments come back when the window moves; only where something is recorded. */
export function stills(span: Span, recorded: readonly Span[], widthPx: number): Still[] {
  const leastS = Math.max(1, ((span.toMs - span.fromMs) / 1000 / Math.max(1, widthPx)) * STILL_PX);
  const stepMs = (STEPS_S.find((step) => step >= leastS) ?? 86_400) * 1000;
  const found: Still[] = [];
  for (const band of recorded) {
    const fromMs = Math.max(band.fromMs, span.fromMs);
    const toMs = Math.min(band.toMs, span.toMs);
    for (let slot = Math.floor(fromMs / stepMs) * stepMs; slot < toMs; slot += stepMs) {
      const atMs = Math.max(slot, band.fromMs);
      const still = { fromMs: atMs, toMs: Math.min(slot + stepMs, band.toMs), atMs };
      if (still.toMs - still.fromMs > stepMs / 4 && still.toMs > span.fromMs) found.push(still);
    }
  }
  return found;
}

/** Moments to label: round steps of the local day, at least `apartPx` apart. `dayStartMs` is midnight there. */
export function ticks(span: Span, widthPx: number, dayStartMs: number, apartPx = 84): { atMs: number[]; stepS: number } {
  const leastS = ((span.toMs - span.fromMs) / 1000 / Math.max(1, widthPx)) * apartPx;
  const stepS = STEPS_S.find((step) => step >= leastS) ?? 86_400;
  const stepMs = stepS * 1000;
  const atMs: number[] = [];
  for (let at = dayStartMs + Math.ceil((span.fromMs - dayStartMs) / stepMs) * stepMs; at < span.toMs; at += stepMs) atMs.push(at);
  return { atMs, stepS };
}
