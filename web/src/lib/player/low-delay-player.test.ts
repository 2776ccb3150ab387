import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LowDelayPlayer } from "./low-delay";
import { aFrame, aRun } from "./samples.test-support";

/** What Chromium's decoder does with pictures that claim to decode alone and do not: refuses, says nothing, or gives pictures. */
type Manner = "refuses" | "is silent" | "gives pictures";

let manner: Manner;
let draws: number;

class Decoder {
  state = "unconfigured";
  decodeQueueSize = 0;
  constructor(private readonly options: { output: (picture: object) => void }) {}
  configure(): void {
    this.state = "configured";
  }
  decode(chunk: { timestamp: number }): void {
    if (manner === "refuses") throw new DOMException("A key frame is required", "DataError");
    if (manner === "gives pictures") this.options.output({ timestamp: chunk.timestamp, displayWidth: 1, displayHeight: 1, close: () => undefined });
  }
  close(): void {
    this.state = "closed";
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  draws = 0;
  vi.stubGlobal("VideoDecoder", Decoder);
  vi.stubGlobal("EncodedVideoChunk", class {
    timestamp: number;
    constructor(of: { timestamp: number }) {
      this.timestamp = of.timestamp;
    }
  });
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw, 16));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Seconds until the player hands over to the media element, or null after twenty seconds. */
async function secondsUntilHandedOver(how: Manner): Promise<number | null> {
  manner = how;
  let isOver = false;
  const canvas = { width: 0, height: 0, getContext: () => ({ drawImage: () => (draws += 1) }) };
  const player = new LowDelayPlayer(canvas as unknown as HTMLCanvasElement, { onUnsupported: () => (isOver = true) });
  player.startRun(aRun());
  for (let picture = 0; picture < 500; picture += 1) {
    player.push(aFrame({ isSync: picture % 50 === 0, decodeTime: 90_000 + picture * 3600 }));
    await vi.advanceTimersByTimeAsync(40);
    if (isOver) {
      player.close();
      return picture / 25;
    }
  }
  player.close();
  return null;
}

test("a decoder that refuses what claims to decode alone hands over at the third attempt", async () => {
  expect(await secondsUntilHandedOver("refuses")).toBe(4);
});

test("a decoder that takes pictures and gives none hands over after five seconds", async () => {
  expect(await secondsUntilHandedOver("is silent")).toBeCloseTo(5, 0);
});

test("a decoder that gives pictures is kept", async () => {
  expect(await secondsUntilHandedOver("gives pictures")).toBeNull();
  expect(draws).toBeGreaterThan(400);
});
