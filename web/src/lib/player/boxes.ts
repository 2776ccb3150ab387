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

/** The `avcC` or `hvcC` record of an init segment (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1): WebCodecs' description. */
export function decoderDescription(init: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const stsd = findBox(init, "stsd");
  if (!stsd) return null;
  const entry = stsd.body + 8; // version, flags, entry count
  const boxes = entry + 86; // a VisualSampleEntry is 86 bytes with its header
  const record = findBox(init, "avcC", boxes, stsd.end) ?? findBox(init, "hvcC", boxes, stsd.end);
  return record && init.slice(record.body, record.end);
}

/** What WebCodecs needs to know of a sound track. */
export interface SoundConfig {
  readonly sampleRate: number;
  readonly numberOfChannels: number;
  /** The AudioSpecificConfig of AAC (ISO/IEC 14496-3 1.6.2.1); null where the codec needs none. */
  readonly description: Uint8Array<ArrayBuffer> | null;
}

/** The sound configuration of an init segment; null when there is no AudioSampleEntry (ISO/IEC 14496-12 12.2.3). */
export function soundConfig(init: Uint8Array<ArrayBuffer>): SoundConfig | null {
  const stsd = findBox(init, "stsd");
  const entry = stsd ? stsd.body + 8 : 0; // version, flags, entry count
  if (!stsd || entry + 36 > stsd.end) return null;
  const view = viewOf(init);
  const esds = findBox(init, "esds", entry + 36, stsd.end);
  const numberOfChannels = view.getUint16(entry + 24);
  const sampleRate = findTimescale(init) ?? view.getUint16(entry + 32); // 16.16 fixed point, so it cannot say 96 kHz
  if (numberOfChannels === 0 || sampleRate === 0) return null;
  return { sampleRate, numberOfChannels, description: esds && decoderSpecificInfo(init, esds.body + 4, esds.end) };
}

function findTimescale(init: Uint8Array<ArrayBuffer>): number | null {
  const mdhd = findBox(init, "mdhd");
  if (!mdhd || mdhd.body + 16 > mdhd.end) return null;
  return viewOf(init).getUint32(mdhd.body + (init[mdhd.body] === 1 ? 20 : 12)) || null;
}

/** The DecoderSpecificInfo (tag 5) inside an ES_Descriptor (ISO/IEC 14496-1 7.2.6). */
function decoderSpecificInfo(data: Uint8Array<ArrayBuffer>, start: number, end: number): Uint8Array<ArrayBuffer> | null {
  const FIXED_BYTES: Partial<Record<number, number>> = { 3: 3, 4: 13 }; // before the descriptors inside them
  for (let at = start; at + 2 <= end; ) {
    const tag = data[at]!;
    let size = 0;
    at += 1;
    for (let more = 0x80; more && at < end; at += 1) {
      more = data[at]! & 0x80;
      size = size * 128 + (data[at]! & 0x7f);
    }
    if (tag === 5) return at + size <= end ? data.slice(at, at + size) : null;
    at += FIXED_BYTES[tag] ?? size;
  }
  return null;
}

/** The samples of a chunk, each with its distance from the first one in ticks; empty when the chunk does not say. */
export function samplesOf(chunk: Uint8Array<ArrayBuffer>): { readonly ticks: number; readonly data: Uint8Array<ArrayBuffer> }[] {
  const box = findBox(chunk, "trun");
  const media = mediaData(chunk);
  if (!box || !media) return [];
  const view = viewOf(chunk);
  const flags = view.getUint32(box.body) & 0xffffff;
  const needed = TRUN_DURATION | TRUN_SIZE;
  const entryBytes = [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION].filter((flag) => flags & flag).length * 4;
  let at = box.body + 8 + (flags & TRUN_DATA_OFFSET ? 4 : 0) + (flags & TRUN_FIRST_FLAGS ? 4 : 0);
  const samples = [];
  let from = 0;
  let ticks = 0;
  for (let left = view.getUint32(box.body + 4); left > 0 && (flags & needed) === needed; left -= 1) {
    if (at + entryBytes > box.end) break;
    const size = view.getUint32(at + 4);
    if (from + size > media.byteLength) break;
    samples.push({ ticks, data: media.subarray(from, from + size) });
    ticks += view.getUint32(at);
    from += size;
    at += entryBytes;
  }
  return samples;
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
