import { SHELL_CACHE } from "../client-keys";

/**
 * The installed application: its own files work without a line, so that it opens at once and says what is missing.
 * Registered only after sign-in: a first visit stores nothing on the terminal (requirement book K-01).
 */
export function keepShell(): void {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  void keep().catch(() => undefined); // refused storage costs the offline start only
}

/** What this page has loaded before the worker was there, such as the words of its language. */
async function keep(): Promise<void> {
  await navigator.serviceWorker.register("/sw.js");
  const loaded = performance.getEntriesByType("resource").map((entry) => new URL(entry.name));
  const files = loaded.filter((url) => url.origin === location.origin && url.pathname.startsWith("/assets/")).map((url) => url.href);
  const cache = await caches.open(SHELL_CACHE);
  await cache.addAll(await missing(cache, [...new Set(files)]));
}

async function missing(cache: Cache, urls: string[]): Promise<string[]> {
  const known = await Promise.all(urls.map((url) => cache.match(url)));
  return urls.filter((_, index) => known[index] === undefined);
}
