/**
 * Media time to wall time and back.
 *
 * A player's media time is the wall time of its run's start plus decode time since then: both tracks of a run share that
 * origin, so sound and picture align. A camera's clock drifts against ours by seconds a day, so what is *shown* as
 * the time of a picture comes from the frame headers kept here, never from that sum.
 */
import type { MediaFrame, Run } from "./wire";

interface Entry {
  readonly mediaS: number;
  readonly wallUs: number;
}

/** Seconds of media time before the first picture, so that a slightly older frame of the other track still fits. */
const MARGIN_S = 40;

/** Pictures further apart have a gap between them. */
const TOGETHER_US = 2_000_000;

/** The zero of media time, shared by the tracks of one player. */
export class MediaOrigin {
  private zeroUs: number | null = null;

  /** Media seconds of a decode time of that run. */
  secondsAt(run: Run, decodeTime: number): number {
    const wallUs = run.wallStartUs + ((decodeTime - run.decodeStart) / run.timescale) * 1e6;
    this.zeroUs ??= wallUs - MARGIN_S * 1e6;
    return (wallUs - this.zeroUs) / 1e6;
  }

  /** What SourceBuffer.timestampOffset must be, so that this run's decode times land at `secondsAt`. */
  timestampOffset(run: Run): number {
    return this.secondsAt(run, run.decodeStart) - run.decodeStart / run.timescale;
  }

  reset(): void {
    this.zeroUs = null;
  }
}

/** The pictures of the last minutes, by media time. */
export class WallMap {
  private entries: Entry[] = [];

  constructor(private readonly keepS: number) {}

  add(mediaS: number, frame: MediaFrame): void {
    let at = this.entries.length;
    while (at > 0 && this.entries[at - 1]!.mediaS > mediaS) at -= 1; // pictures reorder by a few places at most
    if (this.entries[at - 1]?.mediaS === mediaS) return;
    this.entries.splice(at, 0, { mediaS, wallUs: frame.wallUs });
    const oldest = mediaS - this.keepS;
    if (this.entries.length > 64 && this.entries[0]!.mediaS < oldest - 10) {
      this.entries = this.entries.filter((entry) => entry.mediaS >= oldest);
    }
  }

  clear(): void {
    this.entries = [];
  }

  /** Wall time of what is shown at that media time, or null when nothing near it is known. */
  wallUsAt(mediaS: number): number | null {
    const entry = this.entries[this.indexAt(mediaS)] ?? this.entries[0];
    return entry ? Math.round(entry.wallUs + Math.max(0, mediaS - entry.mediaS) * 1e6) : null;
  }

  /** Media time of a moment between two pictures that are known and belong together, or null. */
  mediaSAt(wallUs: number): number | null {
    const after = this.entries.findIndex((entry) => entry.wallUs > wallUs);
    const before = this.entries[after - 1];
    if (!before || this.entries[after]!.wallUs - before.wallUs > TOGETHER_US) return null;
    return before.mediaS + (wallUs - before.wallUs) / 1e6;
  }

  /** Media time of the picture before (-1) or after (+1) the one shown (0), or null at the end of what is known. */
  neighbour(mediaS: number, step: -1 | 0 | 1): number | null {
    return this.entries[this.indexAt(mediaS) + step]?.mediaS ?? null;
  }

  /** Index of the last picture at or before a media time; a millisecond of grace, for element times are rounded. */
  private indexAt(mediaS: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle]!.mediaS <= mediaS + 0.001) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
