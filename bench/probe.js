// Runs in the page before its own scripts. Notes when each live picture was handed to the screen, and when it had
// reached the edge, without asking the player anything: from the frames of the socket, what is appended to the media
// source or given to the decoder, and what the browser says of the pictures it presents.
(() => {
  const VIEWER_HEADER = 24;
  const wallOfDecode = new Map(); // decode time in ticks → wall time in µs
  const wallOfMedia = new Map(); // media time in ms → wall time in µs
  const wallOfStamp = new Map(); // timestamp of a decoder's picture in µs → wall time in µs
  const shown = { mse: [], webcodecs: [] }; // [wall time in µs, handed to the screen at, in ms since 1970]
  let timescale = 90000;
  let newestWallUs = 0;
  window.benchShown = shown;

  const note = (list, wallUs, atMs) => wallUs !== undefined && list.push([wallUs, performance.timeOrigin + atMs]);
  const keep = (map, key, value) => {
    map.set(key, value);
    if (map.size > 2000) map.delete(map.keys().next().value);
  };

  window.WebSocket = class extends WebSocket {
    constructor(...where) {
      super(...where);
      if (String(where[0]).includes("/media/live")) this.addEventListener("message", ({ data }) => read(data));
    }
  };

  function read(data) {
    if (typeof data === "string") {
      const said = JSON.parse(data);
      if (said.type === "run" && said.codec.startsWith("avc")) timescale = said.timescale;
    } else if (data instanceof ArrayBuffer && data.byteLength > VIEWER_HEADER) {
      const header = new DataView(data);
      newestWallUs = Number(header.getBigInt64(16));
      keep(wallOfDecode, Number(header.getBigInt64(8)), newestWallUs);
    }
  }

  const { appendBuffer } = SourceBuffer.prototype;
  SourceBuffer.prototype.appendBuffer = function (data) {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const decodeTime = baseDecodeTime(bytes);
    const wallUs = wallOfDecode.get(decodeTime);
    if (wallUs !== undefined) keep(wallOfMedia, mediaKey(decodeTime / timescale + this.timestampOffset), wallUs);
    return appendBuffer.call(this, data);
  };

  const mediaKey = (seconds) => Math.round(seconds * 1000);

  // tfdt (ISO/IEC 14496-12, 8.8.12), version 1, of a chunk that begins with moof.
  function baseDecodeTime(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 256));
    for (let at = 8; at + 20 <= view.byteLength; at += 4)
      if (view.getUint32(at) === 0x74666474) return Number(view.getBigUint64(at + 8));
    return -1;
  }

  window.benchWatch = (video) => {
    const next = (_, picture) => {
      const key = mediaKey(picture.mediaTime);
      note(shown.mse, wallOfMedia.get(key) ?? wallOfMedia.get(key - 1) ?? wallOfMedia.get(key + 1), picture.presentationTime);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  };

  const { decode } = VideoDecoder.prototype;
  VideoDecoder.prototype.decode = function (chunk) {
    keep(wallOfStamp, chunk.timestamp, newestWallUs); // the player decodes while it handles the message
    return decode.call(this, chunk);
  };

  let onDrawn = null;
  window.benchNextDrawn = () => new Promise((done) => (onDrawn = done));
  const { drawImage } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.drawImage = function (source, ...where) {
    const stamp = source instanceof VideoFrame ? source.timestamp : undefined;
    drawImage.call(this, source, ...where);
    if (stamp === undefined) return;
    note(shown.webcodecs, wallOfStamp.get(stamp), performance.now());
    onDrawn?.(performance.now());
    onDrawn = null;
  };
})();
