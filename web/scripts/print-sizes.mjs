/**
 * After a build: writes compressed copies beside the files (the server sends them as they are) and holds the budgets of
 * the design: first load at most 80 kB of gzipped script before the player, the player at most 40 kB. The first load is
 * what the page names and what that imports, in one language; pages that come later are counted apart.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const BUDGETS_KB = { first: 80, player: 40 };
const COMPRESSIBLE = /\.(js|css|html|svg|webmanifest)$/;

const files = readdirSync(DIST, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && COMPRESSIBLE.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));

const first = filesOfFirstLoad();
const sizes = { first: 0, player: 0, later: 0, style: 0 };
for (const file of files) {
  const data = readFileSync(file);
  const zipped = gzipSync(data, { level: 9 });
  writeFileSync(`${file}.gz`, zipped);
  writeFileSync(`${file}.br`, brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
  if (file.endsWith(".css")) sizes.style += zipped.length;
  else if (/assets\/player-/.test(file)) sizes.player += zipped.length;
  else if (/assets\/.*\.js$/.test(file)) sizes[first.has(basename(file)) ? "first" : "later"] += zipped.length;
}

for (const [name, bytes] of Object.entries(sizes)) {
  const budget = BUDGETS_KB[name];
  console.log(`${name}: ${(bytes / 1000).toFixed(1)} kB gzip${budget ? ` of ${budget} kB` : ""}`);
  if (budget && bytes > budget * 1000) {
    console.error(`The ${name} scripts are over their budget of ${budget} kB.`);
    process.exitCode = 1;
  }
}

/** Scripts of the page, everything they import at once, and the words of one language. */
function filesOfFirstLoad() {
  const names = [...readFileSync(join(DIST, "index.html"), "utf8").matchAll(/assets\/([\w-]+\.js)/g)].map((match) => match[1]);
  const found = new Set();
  while (names.length > 0) {
    const name = names.pop();
    if (found.has(name)) continue;
    found.add(name);
    const text = readFileSync(join(DIST, "assets", name), "utf8");
    names.push(...[...text.matchAll(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g)].map((match) => match[1]));
  }
  const words = files.map((file) => basename(file)).find((name) => /^fr-.*\.js$/.test(name));
  return words ? found.add(words) : found;
}
