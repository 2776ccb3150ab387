/**
 * Draws the application's icons from the mark: one SVG and the PNG sizes that phones ask for. Run by hand (`npm run
 * icons`) when the mark changes; the results are committed. A PNG writer of forty lines saves an image library.
 */
import { writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

const INK = [16, 18, 20];
const PAPER = [246, 246, 244];
const PUBLIC = new URL("../public/", import.meta.url);

/** The mark on a 24 × 24 grid: a dark tile, a frame with one round corner, the lens. */
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="7" fill="#101214"/><path d="M6 17V9.500A2.500 2.500 0 0 1 8.500 7H18v10Z" fill="#f6f6f4"/><circle cx="12.500" cy="12" r="2.600" fill="#101214"/></svg>\n`;

const inside = {
  tile: (x, y, radius) => roundedBox(x, y, 0, 0, 24, 24, radius),
  frame(x, y) {
    if (x < 6 || x > 18 || y < 7 || y > 17) return false;
    const inCorner = x < 8.5 && y < 9.5;
    return !inCorner || (x - 8.5) ** 2 + (y - 9.5) ** 2 <= 2.5 ** 2;
  },
  lens: (x, y) => (x - 12.5) ** 2 + (y - 12) ** 2 <= 2.6 ** 2,
};

function roundedBox(x, y, left, top, right, bottom, radius) {
  if (x < left || x > right || y < top || y > bottom) return false;
  const dx = Math.max(left + radius - x, x - (right - radius), 0);
  const dy = Math.max(top + radius - y, y - (bottom - radius), 0);
  return dx * dx + dy * dy <= radius * radius;
}

/** Colour with alpha at a point of the 24-unit grid; a maskable icon fills its square and keeps to the safe zone. */
function colourAt(x, y, isMaskable) {
  if (isMaskable) {
    const [cx, cy] = [(x - 12) / 0.72 + 12, (y - 12) / 0.72 + 12];
    return inside.lens(cx, cy) || !inside.frame(cx, cy) ? [...INK, 255] : [...PAPER, 255];
  }
  if (!inside.tile(x, y, 7)) return [0, 0, 0, 0];
  return inside.lens(x, y) || !inside.frame(x, y) ? [...INK, 255] : [...PAPER, 255];
}

function draw(size, isMaskable) {
  const grid = 4; // sixteen samples a pixel
  const rows = Buffer.alloc(size * (size * 4 + 1));
  for (let py = 0; py < size; py += 1) {
    for (let px = 0; px < size; px += 1) {
      const sum = [0, 0, 0, 0];
      for (let s = 0; s < grid * grid; s += 1) {
        const x = ((px + ((s % grid) + 0.5) / grid) / size) * 24;
        const y = ((py + (Math.floor(s / grid) + 0.5) / grid) / size) * 24;
        const [r, g, b, a] = colourAt(x, y, isMaskable);
        sum[0] += r * a;
        sum[1] += g * a;
        sum[2] += b * a;
        sum[3] += a;
      }
      const at = py * (size * 4 + 1) + 1 + px * 4;
      for (let c = 0; c < 3; c += 1) rows[at + c] = sum[3] ? Math.round(sum[c] / sum[3]) : 0;
      rows[at + 3] = Math.round(sum[3] / (grid * grid));
    }
  }
  return rows;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE((crc ^ 0xffffffff) >>> 0, body.length + 4);
  return chunk;
}

function png(size, isMaskable) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8); // eight bits, RGBA
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const data = deflateSync(draw(size, isMaskable), { level: 9 });
  return Buffer.concat([signature, pngChunk("IHDR", header), pngChunk("IDAT", data), pngChunk("IEND", Buffer.alloc(0))]);
}

writeFileSync(new URL("icon.svg", PUBLIC), SVG);
writeFileSync(new URL("icon-180.png", PUBLIC), png(180, true));
writeFileSync(new URL("icon-192.png", PUBLIC), png(192, false));
writeFileSync(new URL("icon-512.png", PUBLIC), png(512, false));
writeFileSync(new URL("icon-maskable-512.png", PUBLIC), png(512, true));
