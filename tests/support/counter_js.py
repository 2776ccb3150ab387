"""`incamera.edge.simulated.counter.read` for a browser: the number in the picture that a video element shows now."""

READ_COUNTER_JS = """
(video) => {
  // Layout: docs in incamera/edge/simulated/counter.py. 16 columns by 2 rows, a cell is 1/80 of the width.
  const width = video.videoWidth || video.width, height = video.videoHeight || video.height;
  const size = width / 80;
  if (size < 3 || height < 2 * size) return null;
  const canvas = document.createElement('canvas');
  canvas.width = Math.ceil(16 * size);
  canvas.height = Math.ceil(2 * size);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const level = (row, column) => {
    const top = Math.floor((row + 0.25) * size), left = Math.floor((column + 0.25) * size);
    const bottom = Math.max(top + 1, Math.floor((row + 0.75) * size));
    const right = Math.max(left + 1, Math.floor((column + 0.75) * size));
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const at = 4 * (y * canvas.width + x);
        sum += 0.2126 * pixels[at] + 0.7152 * pixels[at + 1] + 0.0722 * pixels[at + 2];
      }
    }
    return sum / ((bottom - top) * (right - left));
  };
  const levels = [];
  for (let row = 0; row < 2; row++) for (let column = 0; column < 16; column++) levels.push(level(row, column));
  const dark = levels[1], bright = Math.min(levels[0], levels[2], levels[3]);
  if (bright - dark < 40) return null;
  const bits = levels.map((value) => (value > (bright + dark) / 2 ? 1 : 0));
  const number = bits.slice(4, 28).reduce((value, bit) => value * 2 + bit, 0);
  let check = 0xf;
  for (let shift = 0; shift < 24; shift += 4) check ^= (number >> shift) & 0xf;
  const found = bits.slice(28).reduce((value, bit) => value * 2 + bit, 0);
  return check === found ? number : null;
}
"""
"""A function of one element (video, canvas or image): the number, or null when there is none to trust.

    number = page.locator("video").evaluate(READ_COUNTER_JS)
"""
