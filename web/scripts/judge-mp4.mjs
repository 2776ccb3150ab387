// mp4box.js, which nobody here wrote, reads an MP4 from standard input piece by piece as a player would get it, and says
// what it found as JSON. Used by the tests: node scripts/judge-mp4.mjs INIT_BYTES < file
import { createFile, Log, MP4BoxBuffer } from "mp4box";
import { readFileSync } from "node:fs";

const PIECE = 4099; // a prime: pieces end in the middle of boxes
const complaints = [];
for (const level of ["warn", "error"]) Log[level] = (module, text) => complaints.push(`${level} ${module}: ${text}`);

const file = createFile(true); // true: keep the data, or samples have none
const samples = new Map();
let movie = null;
file.onError = (module, text) => complaints.push(`error ${module}: ${text}`);
file.onReady = (info) => {
  movie = info;
  for (const track of info.tracks) {
    samples.set(track.id, []);
    file.setExtractionOptions(track.id, null, { nbSamples: 1 });
  }
  file.start();
};
file.onSamples = (id, _user, found) => {
  samples.get(id).push(...found);
};

const bytes = readFileSync(0);
const initBytes = Number(process.argv[2]);
let readyAfterInit = false;
for (const [start, end] of pieces()) {
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end), start));
  if (end === initBytes) readyAfterInit = movie !== null;
}
file.flush();

const tracks = (movie?.tracks ?? []).map(({ id, codec, type, timescale, video, audio }) => {
  return { id, codec, type, timescale, video, audio, samples: described(samples.get(id)) };
});
const boxes = file.boxes.map(({ type }) => type);
console.log(JSON.stringify({ readyAfterInit, isFragmented: movie?.isFragmented, brands: movie?.brands, boxes, complaints, tracks }));

/** With the decode times that the chunks state: after the first chunk mp4box adds up durations, which are bounds here. */
function described(found) {
  const firsts = new Map();
  return found.map(({ dts, cts, duration, is_sync: isSync, data, moof_number: number }) => {
    if (!firsts.has(number)) firsts.set(number, dts);
    const decodeTime = file.moofs[number - 1].trafs[0].tfdt.baseMediaDecodeTime + dts - firsts.get(number);
    return { decodeTime, compositionOffset: cts - dts, duration, isSync, size: data.length };
  });
}

function* pieces() {
  yield [0, initBytes];
  for (let start = initBytes; start < bytes.length; start += PIECE) yield [start, Math.min(start + PIECE, bytes.length)];
}
