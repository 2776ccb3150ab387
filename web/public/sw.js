/*
 * The service worker: caches the application's own files and nothing else. Never media, covers, API answers or the pages
 * of the privacy notice: what a camera saw does not belong into a browser cache.
 *
 * Files under /assets/ carry a hash in their name and never change; the page itself is fetched first and taken from the
 * cache only when the server is out of reach.
 */
const CACHE = "incamera-shell-1";
const PAGE = "/";

self.addEventListener("install", (event) => {
  event.waitUntil(fillCache().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/assets/")) event.respondWith(fromCacheFirst(event.request));
  else if (event.request.mode === "navigate" && isApplicationPage(url.pathname)) event.respondWith(pageFromNetworkFirst(event.request));
});

function isApplicationPage(path) {
  return path === "/" || /^\/(sign-in|cameras|devices|add|edges|me)(\/|$)/.test(path);
}

async function fillCache() {
  const cache = await caches.open("incamera-shell-1");
  const page = await fetch(PAGE, { cache: "no-cache" });
  if (!page.ok) return;
  const html = await page.clone().text();
  await cache.put(PAGE, page);
  await cache.addAll([...new Set(html.match(/\/assets\/[^"']+/g) ?? [])]);
}

async function fromCacheFirst(request) {
  const known = await caches.match(request);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok) {
    const cache = await caches.open("incamera-shell-1");
    await cache.put(request, response.clone());
    await forgetOldAssets(cache);
  }
  return response;
}

async function pageFromNetworkFirst(request) {
  try {
    const response = await fetch(request);
    if (response.ok && response.headers.get("content-type")?.startsWith("text/html")) {
      const cache = await caches.open("incamera-shell-1");
      await cache.put(PAGE, response.clone());
    }
    return response;
  } catch (error) {
    const known = await caches.match(PAGE);
    if (known) return known;
    throw error;
  }
}

/** Files of former versions go when there are many: the newest sixty stay. */
async function forgetOldAssets(cache) {
  const requests = await cache.keys();
  const assets = requests.filter((request) => new URL(request.url).pathname.startsWith("/assets/"));
  await Promise.all(assets.slice(0, Math.max(0, assets.length - 60)).map((request) => cache.delete(request)));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
}
