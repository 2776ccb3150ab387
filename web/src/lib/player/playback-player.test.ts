import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PlaybackPlayer } from "./playback-player";
import { aFrame, aRun } from "./samples.test-support";

/** What a recording asks of a media element and its source; appended bytes are noted, in order. */
class Surface extends EventTarget {
  muted = false;
  playsInline = false;
  playbackRate = 1;
  readyState = 4;
  seeking = false;
  src = "";
  currentTime = 0;
  play = (): Promise<void> => Promise.resolve();
  pause = (): void => undefined;
  removeAttribute = (): void => undefined;
  load = (): void => undefined;
}

let appended: number;
let ranges: [number, number][];
let offsets: number[];

class Buffer extends EventTarget {
  updating = false;
  get buffered(): { length: number; start: (index: number) => number; end: (index: number) => number } {
    return { length: ranges.length, start: (index) => ranges[index]![0], end: (index) => ranges[index]![1] };
  }
  set timestampOffset(offset: number) {
    offsets.push(offset);
  }
  appendBuffer(): void {
    appended += 1;
  }
  remove(): void {}
}

class Source extends EventTarget {
  static isTypeSupported = (): boolean => true;
  readyState = "open";
  duration = 0;
  addSourceBuffer = (): Buffer => new Buffer();
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(new Event("sourceopen")));
  }
}

let told: string[];
let video: Surface;
let player: PlaybackPlayer;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaSource", Source);
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("URL", { createObjectURL: () => "blob:", revokeObjectURL: () => undefined });
  appended = 0;
  ranges = [];
  offsets = [];
  told = [];
  video = new Surface();
  player = new PlaybackPlayer(video as unknown as HTMLVideoElement, {
    onPicture: () => told.push("picture"),
    onBroken: () => told.push("broken"),
    onUnreadable: () => told.push("unreadable"),
    onPosition: () => undefined,
  });
});
afterEach(() => {
  player.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const first = aRun({ id: "run-1" });
const second = aRun({ id: "run-2", wallStartUs: first.wallStartUs + 2_000_000 });
/** Pictures of a run by number, 25 a second; every 25th decodes alone. */
function push(run: typeof first, from: number, to: number): void {
  player.startRun(run);
  for (let number = from; number < to; number += 1) {
    player.push(aFrame({ decodeTime: 90_000 + number * 3600, isSync: number % 25 === 0, wallUs: run.wallStartUs + number * 40_000 }));
  }
}

test("what a new line brings a second time is not appended again, also over the end of a run", async () => {
  player.expect(first.wallStartUs);
  push(first, 0, 50);
  push(second, 0, 30);
  await vi.advanceTimersByTimeAsync(1);
  player.flush();
  const before = appended;

  push(first, 25, 50);
  push(second, 0, 30);
  player.flush();
  expect(appended).toBe(before);

  push(second, 30, 32);
  player.flush();
  expect(appended).toBe(before + 2);
  expect(offsets).toHaveLength(2);
});

test("after a jump everything is taken as new", async () => {
  player.expect(first.wallStartUs);
  push(first, 0, 50);
  await vi.advanceTimersByTimeAsync(1);
  player.flush();
  const before = appended;

  player.expect(first.wallStartUs);
  push(first, 0, 2);
  player.flush();
  expect(appended).toBeGreaterThan(before);
});

test("pictures that come and are never shown are told of, once", async () => {
  player.expect(first.wallStartUs);
  push(first, 0, 50);
  await vi.advanceTimersByTimeAsync(5000);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(told).toEqual(["unreadable"]);
});

test("a picture that is shown is enough", async () => {
  player.expect(first.wallStartUs);
  push(first, 0, 50);
  video.dispatchEvent(new Event("seeked"));
  await vi.advanceTimersByTimeAsync(20_000);

  expect(told).toEqual(["picture"]);
});

test("a jump to what is here needs nobody; to what is not, to a gap or among key frames alone it does", async () => {
  const secondsOn = (seconds: number): number => first.wallStartUs + seconds * 1e6;
  player.expect(first.wallStartUs);
  push(first, 0, 250);
  await vi.advanceTimersByTimeAsync(1);
  ranges = [[40, 50]];
  expect(player.jump(secondsOn(7.01))).toBe(true);
  expect(video.currentTime).toBeCloseTo(47.01, 2);
  expect([player.jump(secondsOn(12)), player.jump(secondsOn(-3))]).toEqual([false, false]);

  push(aRun({ id: "run-3", wallStartUs: secondsOn(20) }), 0, 100);
  ranges = [[40, 50], [60, 64]];
  expect([player.jump(secondsOn(15)), player.jump(secondsOn(22))]).toEqual([false, true]);

  player.expect(first.wallStartUs, true);
  push(first, 0, 250);
  expect(player.jump(secondsOn(7))).toBe(false);
});

test("the init segment goes in with the first chunk of its run", async () => {
  player.expect(first.wallStartUs);
  push(first, 0, 1);
  await vi.advanceTimersByTimeAsync(1);
  push(first, 1, 2);

  expect(appended).toBe(1);
});

test("a jump to just before a gap goes on behind it, once that is here", async () => {
  player.expect(first.wallStartUs + 2_300_000); // the run has pictures for two seconds
  push(first, 0, 50);
  await vi.advanceTimersByTimeAsync(1);
  ranges = [[40, 42]];
  await vi.advanceTimersByTimeAsync(300);
  expect(video.currentTime).toBeCloseTo(42.3, 1);

  push(aRun({ id: "run-3", wallStartUs: first.wallStartUs + 20e6 }), 0, 50);
  await vi.advanceTimersByTimeAsync(300);
  expect(video.currentTime).toBeCloseTo(42.3, 1);
  ranges = [[40, 42], [60, 62]];
  await vi.advanceTimersByTimeAsync(300);
  expect(video.currentTime).toBeCloseTo(60, 1);
});

test("a jump to just after the last picture of all stays on it", async () => {
  player.expect(first.wallStartUs + 4_000_000);
  push(first, 0, 50);
  await vi.advanceTimersByTimeAsync(1);
  player.flush(true);
  ranges = [[40, 42.9]];
  await vi.advanceTimersByTimeAsync(300);

  expect(video.currentTime).toBeCloseTo(41.96, 1);
});
