import { expect, test } from "vitest";
import { samplesOf, soundConfig } from "./boxes";
import { dueIndex } from "./picture-queue";
import { aSoundChunk, aSoundInit } from "./samples.test-support";
import { SoundSchedule } from "./sound-schedule";

const FRAME_S = 0.064;

test.each([
  ["without sound the newest picture is due", [1, 1.04, 1.08], null, 2],
  ["a picture waits for its sound", [1.04, 1.08], 1, -1],
  ["the picture of what is heard is due, and those before it are not", [1, 1.04, 1.08], 1.05, 1],
  ["one that is due before the display's next frame is due", [1.04], 1.035, 0],
  ["sound that is more than a second late counts as missing", [1, 1.04, 2.3], 1, 2],
  ["sound that is ahead does not hold pictures", [1, 1.04], 3, 1],
  ["nothing is due when there is nothing", [], 1, -1],
])("%s", (_, times, heardS, due) => {
  expect(dueIndex(times, heardS)).toBe(due);
});

/** Plays `count` frames of sound that arrive as `arrivalS` says, and gives the schedule. */
function played(count: number, arrivalS: (index: number) => number): { schedule: SoundSchedule; skipped: number; starts: number[] } {
  const schedule = new SoundSchedule();
  let skipped = 0;
  const starts: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const placement = schedule.place(100 + i * FRAME_S, FRAME_S, arrivalS(i));
    if (placement === "skip") skipped += 1;
    else starts.push(placement.startS);
  }
  return { schedule, skipped, starts };
}

test("steady sound is heard a cushion after it came, without a break", () => {
  const { schedule, starts } = played(200, (index) => index * FRAME_S);

  const steps = starts.slice(1).map((start, index) => start - starts[index]!);
  expect(Math.max(...steps)).toBeCloseTo(FRAME_S, 3);
  expect(Math.min(...steps)).toBeGreaterThan(FRAME_S / 1.03);
  const nowS = 199 * FRAME_S;
  expect(100 + 200 * FRAME_S - schedule.mediaAt(nowS + 0.05)!).toBeLessThan(FRAME_S + 0.1);
});

test("what is heard follows the media time exactly", () => {
  const { schedule, starts } = played(4, (index) => index * FRAME_S);

  expect(schedule.mediaAt(starts[0]! - 0.001)).toBeNull();
  expect(schedule.mediaAt(starts[1]! + 0.01)).toBeCloseTo(100 + 2 * FRAME_S + 0.01, 6);
  expect(schedule.mediaAt(starts[2]! + 5)).toBeNull();
});

test("sound that arrives later than its turn starts after a larger cushion", () => {
  const { starts } = played(40, (index) => index * FRAME_S + (index >= 10 ? 0.15 : 0));

  expect(starts[9]! - (10 * FRAME_S + 0.15)).toBeGreaterThan(0.1);
  expect(starts[38]! - starts[37]!).toBeCloseTo(FRAME_S, 3);
});

test("what comes at once when somebody begins to listen is not played, and nothing waits behind it", () => {
  const { schedule, skipped } = played(40, (index) => Math.max(0, index - 30) * FRAME_S);

  expect(skipped).toBe(31);
  expect(100 + 40 * FRAME_S - schedule.mediaAt(9 * FRAME_S + 0.05)!).toBeLessThan(FRAME_S + 0.05);
});

test("a second that comes at once later on is not played behind the picture for ever", () => {
  const stall = (index: number): number => (index < 30 || index > 50 ? index : 50) * FRAME_S;
  const { schedule, skipped } = played(600, stall);

  expect(skipped).toBeGreaterThan(5);
  expect(skipped).toBeLessThan(20);
  expect(100 + 600 * FRAME_S - schedule.mediaAt(599 * FRAME_S)!).toBeLessThan(0.3);
});

test("a hole in the sound stays one", () => {
  const schedule = new SoundSchedule();
  schedule.place(100 - 2 * FRAME_S, FRAME_S, -2 * FRAME_S);
  const first = schedule.place(100, FRAME_S, 0);
  const second = schedule.place(100.5, FRAME_S, 0.5);

  expect(first !== "skip" && second !== "skip" && second.startS - first.startS).toBeCloseTo(0.5, 6);
});

test("a sound track says how to decode it", () => {
  expect(soundConfig(aSoundInit([0x14, 0x08]))).toEqual({ sampleRate: 16_000, numberOfChannels: 1, description: Uint8Array.from([0x14, 0x08]) });
  expect(soundConfig(Uint8Array.from([0, 0, 0, 8, 109, 111, 111, 118]))).toBeNull();
});

test("a chunk of several sounds is taken apart", () => {
  expect(samplesOf(aSoundChunk([[1, 2], [3]], 1024))).toEqual([
    { ticks: 0, data: Uint8Array.from([1, 2]) },
    { ticks: 1024, data: Uint8Array.from([3]) },
  ]);
});

test("a chunk that claims more than it holds gives what is there", () => {
  const chunk = aSoundChunk([[1, 2], [3]], 1024);

  for (let cut = 0; cut < chunk.byteLength; cut += 1) expect(samplesOf(chunk.slice(0, cut)).length).toBeLessThanOrEqual(2);
});
