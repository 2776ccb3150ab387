/**
 * The little of ISO/IEC 14496-12 that a player must read itself: where a picture is shown relative to its decode time,
 * how long it claims to last, and the decoder configuration for WebCodecs. Everything else is the browser's work.
 */

const CONTAINERS = new Set(["moov", "trak", "mdia", "minf", "stbl", "moof", "traf"]);

const TRUN_DATA_OFFSET = 0x000001;
const TRUN_FIRST_FLAGS = 0x000004;
const TRUN_DURATION = 0x000100;
const TRUN_SIZE = 0x000200;
const TRUN_FLAGS = 0x000400;
const TRUN_COMPOSITION = 0x000800;

interface Box {
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** First box of that type, looking into plain containers; null if there is none. */
export function findBox(data: Uint8Array, type: string, start = 0, end = data.byteLength): Box | null {
  const view = viewOf(data);
  for (let at = start; at + 8 <= end; ) {
    const size = view.getUint32(at);
    const name = String.fromCharCode(data[at + 4]!, data[at + 5]!, data[at + 6]!, data[at + 7]!);
    const boxEnd = size === 0 ? end : at + size;
    if (size === 1 || boxEnd > end || boxEnd < at + 8) return null;
    if (name === type) return { start: at, body: at + 8, end: boxEnd };
    if (CONTAINERS.has(name)) {
      const inside = findBox(data, type, at + 8, boxEnd);
      if (inside) return inside;
    }
    at = boxEnd;
  }
  return null;
}

/** Presentation minus decode time of the chunk's first sample, in ticks; 0 where the chunk does not say. */
export function compositionOffset(chunk: Uint8Array): number {
  const trun = readTrun(chunk);
  return trun?.compositionAt == null ? 0 : viewOf(chunk).getInt32(trun.compositionAt);
}

/**
 * Makes the only picture of a chunk claim `ticks`. Key frames sent alone (fast playback) would otherwise leave holes of
 * a second or more between them, where a video element waits for data that never comes.
 */
export function claimDuration(chunk: Uint8Array, ticks: number): void {
  const trun = readTrun(chunk);
  if (trun?.durationAt != null) viewOf(chunk).setUint32(trun.durationAt, ticks);
}

/** The coded picture inside a chunk: the body of its `mdat`. */
export function mediaData(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const box = findBox(chunk, "mdat");
  return box && chunk.subarray(box.body, box.end);
}

/** The `avcC` record of an init segment (ISO/IEC 14496-15 5.3.3.1): what WebCodecs calls the description. */
export function decoderDescription(init: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const stsd = findBox(init, "stsd");
  if (!stsd) return null;
  const entry = stsd.body + 8; // version, flags, entry count
  const avcc = findBox(init, "avcC", entry + 86, stsd.end); // a VisualSampleEntry is 86 bytes with its header
  return avcc && init.slice(avcc.body, avcc.end);
}

function readTrun(chunk: Uint8Array): { durationAt: number | null; compositionAt: number | null } | null {
  const box = findBox(chunk, "trun");
  if (!box) return null;
  const flags = viewOf(chunk).getUint32(box.body) & 0xffffff;
  let at = box.body + 8; // version and flags, sample count
  if (flags & TRUN_DATA_OFFSET) at += 4;
  if (flags & TRUN_FIRST_FLAGS) at += 4;
  const durationAt = flags & TRUN_DURATION ? at : null;
  if (flags & TRUN_DURATION) at += 4;
  if (flags & TRUN_SIZE) at += 4;
  if (flags & TRUN_FLAGS) at += 4;
  return { durationAt, compositionAt: flags & TRUN_COMPOSITION ? at : null };
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
