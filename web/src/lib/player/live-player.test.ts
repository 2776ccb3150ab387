import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LivePlayer } from "./live-player";
import { aFrame, aRun } from "./samples.test-support";

/** Media elements as a browser has them, as far as a live picture asks; what is appended becomes buffered when told. */
class Surface extends EventTarget {
  muted = false;
  playsInline = false;
  paused = true;
  seeking = false;
  playbackRate = 1;
  src = "";
  private at = 0;
  readonly seeks: number[] = [];
  get currentTime(): number {
    return this.at;
  }
  set currentTime(toS: number) {
    this.seeks.push(toS);
    this.at = toS;
    this.seeking = !isBuffered(toS);
  }
  play(): Promise<void> {
    this.paused = false;
    return Promise.resolve();
  }
  pause(): void {
    this.paused = true;
  }
  removeAttribute(): void {}
  load(): void {}
}

let ranges: [number, number][];
const isBuffered = (atS: number): boolean => ranges.some(([from, to]) => from <= atS && atS < to);

class Buffer extends EventTarget {
  updating = false;
  timestampOffset = 0;
  appendBuffer(): void {}
  remove(): void {}
  get buffered(): { length: number; start: (index: number) => number; end: (index: number) => number } {
    return { length: ranges.length, start: (index) => ranges[index]![0], end: (index) => ranges[index]![1] };
  }
}

class Source extends EventTarget {
  static isTypeSupported = (): boolean => true;
  readyState = "open";
  addSourceBuffer = (): Buffer => new Buffer();
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("sourceopen")));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaSource", Source);
  vi.stubGlobal("URL", { createObjectURL: () => "blob:", revokeObjectURL: () => undefined });
  ranges = [];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const at = (second: number, isSync = false): ReturnType<typeof aFrame> => aFrame({ isSync, decodeTime: 90_000 * (1 + second) });

test("after a gap the picture goes on, also when the first picture behind it is appended late", async () => {
  const video = new Surface();
  const player = new LivePlayer(video as unknown as HTMLVideoElement);
  await vi.advanceTimersByTimeAsync(1);
  player.startRun(aRun());
  player.push(at(0, true));
  ranges = [[40, 41]];
  await vi.advanceTimersByTimeAsync(300);

  player.interrupt();
  player.startRun(aRun());
  player.push(at(14, true)); // and not appended yet
  await vi.advanceTimersByTimeAsync(300);
  expect(video.seeks.filter((toS) => toS > 42)).toEqual([]);

  ranges = [[40, 41], [54, 55]];
  await vi.advanceTimersByTimeAsync(300);
  expect(video.currentTime).toBeGreaterThanOrEqual(54);
  expect(isBuffered(video.currentTime)).toBe(true);
  player.close();
});
