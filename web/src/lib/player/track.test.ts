import { beforeEach, expect, test, vi } from "vitest";
import { Track } from "./track";

/** A SourceBuffer that takes one operation at a time, as browsers do; its answers are given by hand. */
class Buffer {
  updating = false;
  timestampOffset = 0;
  spans: [number, number][] = [];
  isFull = false;
  readonly done: string[] = [];
  private readonly listeners = new Map<string, () => void>();

  get buffered(): TimeRanges {
    const at = (edge: 0 | 1) => (index: number) => this.spans[index]![edge];
    return { length: this.spans.length, start: at(0), end: at(1) };
  }

  addEventListener(name: string, listener: () => void): void {
    this.listeners.set(name, listener);
  }

  appendBuffer(data: Uint8Array): void {
    this.begin();
    if (this.isFull && data.byteLength > 1) {
      this.updating = false;
      throw new DOMException("no room", "QuotaExceededError");
    }
    this.done.push(`append ${[...data].join(" ")}`);
  }

  remove(fromS: number, toS: number): void {
    this.begin();
    this.done.push(`remove ${fromS}-${toS}`);
  }

  changeType(mime: string): void {
    this.done.push(`type ${mime}`);
  }

  finish(): void {
    this.updating = false;
    this.listeners.get("updateend")?.();
  }

  fail(): void {
    this.updating = false;
    this.listeners.get("error")?.();
  }

  private begin(): void {
    if (this.updating) throw new DOMException("busy", "InvalidStateError");
    this.updating = true;
  }
}

class Source extends EventTarget {
  readyState = "closed";
  readonly buffer = new Buffer();
  addSourceBuffer(): Buffer {
    return this.buffer;
  }
  open(): void {
    this.readyState = "open";
    this.dispatchEvent(new Event("sourceopen"));
  }
}

const INIT = Uint8Array.of(0);
let source: Source;
let element: EventTarget & { currentTime: number };
let broken: string[];

beforeEach(() => {
  source = new Source();
  element = Object.assign(new EventTarget(), { currentTime: 0 });
  broken = [];
});

function aTrack(): Track {
  const options = { keepBehindS: 30, onBroken: (why: string) => broken.push(why) };
  return new Track(source as unknown as MediaSource, element as HTMLMediaElement, options);
}

function playing(): Track {
  const track = aTrack();
  source.open();
  track.startRun("avc1.640028", 5, INIT);
  source.buffer.finish();
  return track;
}

test("what comes before the source is open waits, in order, and the init segment goes in with the chunks that wait", () => {
  const track = aTrack();
  track.startRun("avc1.640028", 5, INIT);
  track.append(Uint8Array.of(1));
  track.append(Uint8Array.of(2, 3));

  source.open();
  source.buffer.finish();

  expect(source.buffer.done).toEqual(["append 0 1 2 3"]);
  expect(source.buffer.timestampOffset).toBe(5);
});

test("a full buffer lets go of what was seen and tries once more", () => {
  const track = playing();
  element.currentTime = 60;
  source.buffer.isFull = true;
  track.append(Uint8Array.of(1, 1));
  expect(source.buffer.done.at(-1)).toBe("remove 0-57");

  source.buffer.isFull = false;
  source.buffer.finish();

  expect(source.buffer.done.at(-1)).toBe("append 1 1");
  expect(broken).toEqual([]);
});

test("a buffer that stays full is given up, and nothing of what waits is kept", () => {
  const track = playing();
  element.currentTime = 60;
  source.buffer.isFull = true;
  track.append(Uint8Array.of(1, 1));
  source.buffer.finish(); // freed what was seen, and there is still no room

  expect(broken).toEqual(["quota"]);
});

test("a full buffer with nothing seen yet is given up at once instead of trying for ever", () => {
  const track = playing();
  source.buffer.isFull = true;
  track.append(Uint8Array.of(1, 1));

  expect(broken).toEqual(["quota"]);
});

test("a decode error is told, so that the owner starts afresh", () => {
  playing();
  source.buffer.fail();

  expect(broken).toEqual(["decode"]);
});

test("another codec changes the type before its init segment", () => {
  const track = playing();
  track.startRun("avc1.42e01e", 9, INIT);

  expect(source.buffer.done.slice(-2)).toEqual(['type video/mp4; codecs="avc1.42e01e"', "append 0"]);
});

test("what was seen long ago is let go", () => {
  const track = playing();
  source.buffer.spans = [[0, 100]];
  element.currentTime = 90;
  track.trim();

  expect(source.buffer.done.at(-1)).toBe("remove 0-60");
});

test("a decoder that fails when nothing is left to append is told too, until the track is closed", () => {
  const track = playing();
  element.dispatchEvent(new Event("error"));
  track.close();
  element.dispatchEvent(new Event("error"));

  expect(broken).toEqual(["decode"]);
});

test("after closing nothing is touched any more", () => {
  const track = playing();
  const touch = vi.spyOn(source.buffer, "appendBuffer");
  track.close();
  track.append(Uint8Array.of(1));

  expect(touch).not.toHaveBeenCalled();
});
