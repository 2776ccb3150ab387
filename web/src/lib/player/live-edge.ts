/**
 * How a live picture stays close to now: pure decisions, taken ten times a second by LivePlayer.
 *
 * The edge is the presentation time of the last chunk that arrived. `buffered.end` is a second later, because a live
 * chunk claims that long (docs/design/time.md); steering by it would run into pictures that do not exist yet.
 */

export type Correction = { readonly kind: "rate"; readonly rate: number } | { readonly kind: "seek"; readonly toS: number };

const SEEK_BEYOND_S = 1.2;
const MOST_BEHIND_S = 1;

/** What to do with a player at `positionS` when the newest picture is at `edgeS` and it should trail by `targetS`. */
export function holdEdge(positionS: number, edgeS: number, targetS: number): Correction {
  const delay = edgeS - positionS;
  if (delay > targetS + SEEK_BEYOND_S || delay < -0.4) return { kind: "seek", toS: edgeS - targetS };
  if (delay > targetS + 0.5) return { kind: "rate", rate: 1.25 };
  if (delay > targetS + 0.06) return { kind: "rate", rate: 1.08 };
  if (delay > targetS + 0.015) return { kind: "rate", rate: 1.03 };
  if (delay < targetS * 0.3) return { kind: "rate", rate: 0.75 };
  if (delay < targetS - 0.03) return { kind: "rate", rate: 0.95 };
  if (delay < targetS - 0.012) return { kind: "rate", rate: 0.98 };
  return { kind: "rate", rate: 1 };
}

/** Pictures further apart than this are rare. */
const RARE_S = 0.06;
const LONGEST_INTERVAL_S = 0.25;
const RESERVE_MARGIN_S = 0.04;
/** Sound that is later than this counts as missing: the picture does not wait for it. */
const SOUND_MISSING_S = 1.2;

/**
 * Where the edge is between two pictures, `sinceS` after the newest came: it moves on until the next one is due. Without
 * that, a camera of ten pictures a second seems to fall back and catch up ten times a second, and so does whoever follows it.
 */
export function movingEdge(edgeS: number, intervalS: number, sinceS: number): number {
  return edgeS + Math.min(intervalS, LONGEST_INTERVAL_S, sinceS);
}

/**
 * How far the picture trails. Less than one picture behind, Chromium has none in reserve: it stops the clock for each and
 * shows them late; where pictures are rare that takes longer than a line that stutters. `soundS`: what sound needs, or 0.
 */
export function trail(jitterS: number, intervalS: number, soundS: number): number {
  const reserveS = intervalS > RARE_S ? Math.min(intervalS, LONGEST_INTERVAL_S) + RESERVE_MARGIN_S : 0;
  return Math.max(jitterS + reserveS, soundS > SOUND_MISSING_S ? 0 : soundS);
}

/**
 * How far to trail: as much as arrivals have been late lately, and not more. A steady local camera settles near 50 ms,
 * a line that stutters gets the room it needs, up to a second.
 */
export class JitterTarget {
  private readonly lateness: number[] = [];

  constructor(
    private readonly leastS: number = 0.04,
    private readonly samples: number = 250,
  ) {}

  /** A live chunk with that media time arrived (seconds on any steady clock). */
  arrived(mediaS: number, nowS: number): void {
    this.lateness.push(nowS - mediaS);
    if (this.lateness.length > this.samples) this.lateness.shift();
  }

  get targetS(): number {
    if (this.lateness.length < 8) return this.leastS + 0.03;
    const sorted = [...this.lateness].sort((a, b) => a - b);
    const spread = sorted[Math.floor(sorted.length * 0.97)]! - sorted[0]!;
    return Math.min(MOST_BEHIND_S, this.leastS + spread);
  }

  reset(): void {
    this.lateness.length = 0;
  }
}
