/**
 * When each piece of live sound is played, and what is heard at any moment: pure arithmetic between the clock of an audio
 * output (seconds since it was opened) and media time.
 *
 *   arrival ──► as much ahead as arrivals were late lately (cushion) ──► heard
 *
 * The delay never grows: what is too far ahead is played two per cent faster until it is not, and more than a quarter of a
 * second too far is left out. What comes too late to follow its predecessor starts after a fresh cushion.
 */

interface Piece {
  readonly startS: number;
  readonly endS: number;
  readonly mediaS: number;
  /** Media seconds per second. */
  readonly rate: number;
}

/** `skip`: not played at all. */
export type Placement = { readonly startS: number; readonly rate: number } | "skip";

const LEAST_CUSHION_S = 0.03;
const MOST_CUSHION_S = 0.25;
const SKIP_BEYOND_S = 0.25;
const HURRY_BEYOND_S = 0.03;
const HURRY = 1.02;
/** How long a quiet line is believed in before the cushion shrinks again. */
const PATIENCE_S = 4;
const CONTINUOUS_WITHIN_S = 0.02;
const LONGEST_HOLE_S = 1;
/** What came before somebody listened arrives at once when they begin; it is not worth hearing. */
const OPENING_S = 0.06;

export class SoundSchedule {
  private pieces: Piece[] = [];
  private cushionS = LEAST_CUSHION_S;
  private leastAheadS = Number.POSITIVE_INFINITY;
  private countedFromS = 0;
  private rate = 1;
  /** Media time that follows without a break, left out or not. */
  private nextS = 0;
  private openedAtS: number | null = null;

  /** Places `durationS` of sound that stands for media time from `mediaS` on, `nowS` on the output's clock. */
  place(mediaS: number, durationS: number, nowS: number): Placement {
    const last = this.pieces.at(-1);
    const startS = last ? this.startAfter(last, mediaS) : null;
    this.nextS = mediaS + durationS;
    this.openedAtS ??= nowS;
    if (nowS - this.openedAtS < OPENING_S) return "skip";
    if (startS === null) return this.put(nowS + this.cushionS, mediaS, durationS, nowS);
    const aheadS = startS - nowS;
    if (aheadS < 0) return this.startLate(mediaS, durationS, nowS, -aheadS);
    if (aheadS > this.cushionS + SKIP_BEYOND_S) return "skip";
    this.watch(aheadS, nowS);
    return this.put(startS, mediaS, durationS, nowS);
  }

  /** Media seconds heard at that moment; null while nothing plays. */
  mediaAt(atS: number): number | null {
    let piece: Piece | null = null;
    for (const candidate of this.pieces) if (candidate.startS <= atS) piece = candidate;
    if (!piece || atS > piece.endS + LONGEST_HOLE_S) return null;
    return piece.mediaS + Math.min(atS - piece.startS, piece.endS - piece.startS + CONTINUOUS_WITHIN_S) * piece.rate;
  }

  clear(): void {
    this.pieces = [];
    this.openedAtS = null;
    this.leastAheadS = Number.POSITIVE_INFINITY;
    this.rate = 1;
  }

  /** Follows without a break; a hole in the sound stays one; anything else is a new beginning (null). */
  private startAfter(last: Piece, mediaS: number): number | null {
    const hole = mediaS - this.nextS;
    if (Math.abs(hole) < CONTINUOUS_WITHIN_S) return last.endS;
    return hole > 0 && hole < LONGEST_HOLE_S ? last.endS + hole : null;
  }

  /** The line was slower than the cushion: a larger one from here on. */
  private startLate(mediaS: number, durationS: number, nowS: number, lateS: number): Placement {
    this.cushionS = Math.min(MOST_CUSHION_S, Math.max(this.cushionS * 1.25, LEAST_CUSHION_S + lateS));
    this.leastAheadS = Number.POSITIVE_INFINITY;
    this.countedFromS = nowS;
    this.rate = 1;
    return this.put(nowS + this.cushionS, mediaS, durationS, nowS);
  }

  private watch(aheadS: number, nowS: number): void {
    this.leastAheadS = Math.min(this.leastAheadS, aheadS);
    if (nowS - this.countedFromS < PATIENCE_S) return;
    this.rate = this.leastAheadS > this.cushionS + HURRY_BEYOND_S ? HURRY : 1;
    if (this.rate === 1 && this.leastAheadS > this.cushionS / 2) this.cushionS = Math.max(LEAST_CUSHION_S, this.cushionS * 0.8);
    this.leastAheadS = Number.POSITIVE_INFINITY;
    this.countedFromS = nowS;
  }

  private put(startS: number, mediaS: number, durationS: number, nowS: number): Placement {
    const { rate } = this;
    this.pieces = this.pieces.filter((piece) => piece.endS > nowS - 2);
    this.pieces.push({ startS, endS: startS + durationS / rate, mediaS, rate });
    return { startS, rate };
  }
}
