/** Hand-made wire data for the tests of the player: the shapes our own CMAF writer and media sockets produce. */
import type { MediaFrame, Run } from "./wire";

function box(type: string, ...parts: Uint8Array[]): Uint8Array {
  const size = 8 + parts.reduce((sum, part) => sum + part.byteLength, 0);
  const data = new Uint8Array(size);
  new DataView(data.buffer).setUint32(0, size);
  for (let i = 0; i < 4; i += 1) data[4 + i] = type.charCodeAt(i);
  let at = 8;
  for (const part of parts) {
    data.set(part, at);
    at += part.byteLength;
  }
  return data;
}

function words(...values: number[]): Uint8Array {
  const data = new Uint8Array(values.length * 4);
  const view = new DataView(data.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value >>> 0));
  return data;
}

/** moof + mdat with one picture: trun version 1 with duration, size, flags and composition offset. */
export function aChunk(options: { duration?: number; composition?: number; picture?: number[] } = {}): Uint8Array<ArrayBuffer> {
  const picture = Uint8Array.from(options.picture ?? [1, 2, 3]);
  const trun = box("trun", words(0x01000f01, 1, 112, options.duration ?? 3600, picture.byteLength, 0, options.composition ?? 0));
  const moof = box("moof", box("mfhd", words(0, 1)), box("traf", box("tfhd", words(0x020000, 1)), trun));
  const whole = new Uint8Array(moof.byteLength + 8 + picture.byteLength);
  whole.set(moof);
  whole.set(box("mdat", picture), moof.byteLength);
  return whole;
}

/** ftyp + moov with an avc1 sample entry holding that avcC record. */
export function anInit(avcc: number[] = [1, 100, 0, 40]): Uint8Array<ArrayBuffer> {
  const entry = box("avc1", new Uint8Array(78), box("avcC", Uint8Array.from(avcc)));
  const stsd = box("stsd", words(0, 1), entry);
  const moov = box("moov", box("trak", box("mdia", box("minf", box("stbl", stsd)))));
  const ftyp = box("ftyp", words(0));
  const whole = new Uint8Array(ftyp.byteLength + moov.byteLength);
  whole.set(ftyp);
  whole.set(moov, ftyp.byteLength);
  return whole;
}

/** moof + mdat with some sounds, each claiming `ticks`. */
export function aSoundChunk(sounds: readonly number[][], ticks: number): Uint8Array<ArrayBuffer> {
  const entries = sounds.flatMap((sound) => [ticks, sound.length, 0, 0]);
  const trun = box("trun", words(0x01000f01, sounds.length, 112, ...entries));
  return joined(box("moof", box("mfhd", words(0, 1)), box("traf", box("tfhd", words(0x020000, 1)), trun)), box("mdat", Uint8Array.from(sounds.flat())));
}

/** ftyp + moov with a mono mp4a entry at 16 kHz holding that AudioSpecificConfig. */
export function aSoundInit(config: number[]): Uint8Array<ArrayBuffer> {
  const decoder = [4, 13 + 2 + config.length, 0x40, 0x15, ...Array<number>(11).fill(0), 5, config.length, ...config];
  const esds = box("esds", words(0), Uint8Array.from([3, 3 + decoder.length, 0, 0, 0, ...decoder]));
  const entry = box("mp4a", words(0, 1, 0, 0, (1 << 16) | 16, 0, 16_000 << 16), esds);
  const mdhd = box("mdhd", words(0, 0, 0, 16_000, 0, 0));
  const minf = box("minf", box("stbl", box("stsd", words(0, 1), entry)));
  return joined(box("ftyp", words(0)), box("moov", box("trak", box("mdia", mdhd, minf))));
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

export function aRun(change: Partial<Run> = {}): Run {
  return {
    handle: 7,
    id: "run-1",
    codec: "avc1.640028",
    timescale: 90_000,
    init: anInit(),
    wallStartUs: 1_000_000_000_000,
    decodeStart: 90_000,
    width: 1280,
    height: 720,
    gap: null,
    request: null,
    ...change,
  };
}

export function aFrame(change: Partial<MediaFrame> = {}): MediaFrame {
  return { handle: 7, isSync: true, decodeTime: 90_000, wallUs: 1_000_000_000_000, chunk: aChunk(), ...change };
}

/** A binary message as the server sends it. */
export function frameBytes(frame: MediaFrame): ArrayBuffer {
  const data = new ArrayBuffer(24 + frame.chunk.byteLength);
  const view = new DataView(data);
  view.setUint32(0, frame.handle);
  view.setUint8(4, frame.isSync ? 1 : 0);
  view.setBigInt64(8, BigInt(frame.decodeTime));
  view.setBigInt64(16, BigInt(frame.wallUs));
  new Uint8Array(data, 24).set(frame.chunk);
  return data;
}

/** The far end of a WebSocket, as a page sees it; the browser's own class needs a server. */
export class ScriptedSocket {
  readyState = 0;
  binaryType = "blob";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Record<string, unknown>[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

/** What a socket says before the chunks of a run; `request` is in it when a recording is played. */
export function runMessage(handle: number, request?: number): object {
  const where = { wall_start_us: 0, decode_start: 0, width: 1280, height: 720, gap: null };
  return { type: "run", handle, run: "run-1", codec: "avc1.640028", timescale: 90_000, init: "AA==", ...where, ...(request === undefined ? {} : { request }) };
}
