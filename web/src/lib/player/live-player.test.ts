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
  getVideoPlaybackQuality = (): { totalVideoFrames: number } => ({ totalVideoFrames: decoded });
  removeAttribute(): void {}
  load(): void {}
}

let decoded: number;
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
  vi.stubGlobal("document", { hidden: false });
  decoded = 0;
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

/** Twenty-five pictures a second for so many seconds; how often the player asked for a new start, and whether it gave up. */
async function watch(seconds: number, shows: (second: number) => boolean): Promise<{ broken: number; unreadable: number }> {
  const told = { broken: 0, unreadable: 0 };
  const video = new Surface();
  const player: LivePlayer = new LivePlayer(video as unknown as HTMLVideoElement, {
    onBroken: () => {
      told.broken += 1;
      player.startRun(aRun());
    },
    onUnreadable: () => (told.unreadable += 1),
  });
  player.startRun(aRun());
  for (let picture = 0; picture < seconds * 25; picture += 1) {
    player.push(at(picture / 25, picture % 25 === 0));
    if (shows(picture / 25)) {
      decoded += 1;
      video.dispatchEvent(new Event("loadeddata"));
    }
    await vi.advanceTimersByTimeAsync(40);
  }
  player.close();
  return told;
}

test("pictures that arrive and are never shown: somebody is told, once", async () => {
  expect(await watch(4, () => false)).toEqual({ broken: 0, unreadable: 0 });
  expect(await watch(40, () => false)).toEqual({ broken: 0, unreadable: 1 });
});

test("pictures that come at once on a page that has been open for long have their five seconds, too", async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  let unreadable = 0;
  const player = new LivePlayer(new Surface() as unknown as HTMLVideoElement, { onUnreadable: () => (unreadable += 1) });
  await vi.advanceTimersByTimeAsync(1);
  player.startRun(aRun());
  player.push(at(0, true));

  await vi.advanceTimersByTimeAsync(500);

  expect(unreadable).toBe(0);
  player.close();
});

test("a screen that stands still later: a fresh start twice, then somebody is told", async () => {
  expect(await watch(18, (second) => second < 5)).toEqual({ broken: 2, unreadable: 0 });
  expect(await watch(40, (second) => second < 5)).toEqual({ broken: 2, unreadable: 1 });
});

test("a page that nobody sees may leave its pictures undecoded", async () => {
  vi.stubGlobal("document", { hidden: true });

  expect(await watch(40, () => false)).toEqual({ broken: 0, unreadable: 0 });
});

test("pictures that are shown are left alone", async () => {
  expect(await watch(40, () => true)).toEqual({ broken: 0, unreadable: 0 });
});
