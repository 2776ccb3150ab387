import { expect, test } from "vitest";
import { aChunk, aFrame, anInit, frameBytes } from "./samples.test-support";
import { claimDuration, compositionOffset, decoderDescription, findBox, mediaData } from "./boxes";
import { parseFrame, parseMessage } from "./wire";

test("a binary message gives back its header and chunk", () => {
  const frame = aFrame({ isSync: false, decodeTime: 2 ** 40, wallUs: 1_795_000_000_123_456 });

  expect(parseFrame(frameBytes(frame))).toEqual(frame);
});

test("a message that is shorter than its header is refused", () => {
  expect(() => parseFrame(new ArrayBuffer(23))).toThrow(RangeError);
});

test("a run message carries its init segment decoded", () => {
  const run = { type: "run", handle: 3, run: "r", codec: "avc1.42c01e", timescale: 90000, init: btoa("\x00\xff"), wall_start_us: 5, decode_start: 6 };

  const message = parseMessage(JSON.stringify(run));

  expect(message).toMatchObject({ type: "run", run: { init: Uint8Array.of(0, 255), wallStartUs: 5, decodeStart: 6, gap: null, request: null } });
});

test("the composition offset is read from the chunk, negative ones too", () => {
  expect(compositionOffset(aChunk({ composition: 7200 }))).toBe(7200);
  expect(compositionOffset(aChunk({ composition: -3600 }))).toBe(-3600);
});

test("claiming a duration changes nothing else in the chunk", () => {
  const chunk = aChunk({ duration: 3600, composition: 1800 });

  claimDuration(chunk, 90_000);

  expect(chunk).toEqual(aChunk({ duration: 90_000, composition: 1800 }));
});

test("the coded picture and the decoder configuration are found", () => {
  expect([...mediaData(aChunk({ picture: [9, 8, 7] }))!]).toEqual([9, 8, 7]);
  expect([...decoderDescription(anInit([1, 77, 0, 31]))!]).toEqual([1, 77, 0, 31]);
});

test.each([
  ["cut inside a box", aChunk().slice(0, 20)],
  ["a size that runs past the end", Uint8Array.of(0, 0, 1, 0, 0x6d, 0x6f, 0x6f, 0x66)],
  ["a size of less than its header", Uint8Array.of(0, 0, 0, 4, 0x6d, 0x6f, 0x6f, 0x66)],
  ["nothing", new Uint8Array()],
])("a damaged chunk (%s) has no boxes and does not hang", (_, data) => {
  expect(findBox(data, "trun")).toBeNull();
  expect(compositionOffset(data)).toBe(0);
});
