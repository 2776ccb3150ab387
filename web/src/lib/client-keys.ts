/**
 * Everything this application may keep in the browser, declared once: the registry names the same keys
 * (`K.preferences`, `K.layout`), and a browser test compares. No key holds an identifier, an address or a name.
 *
 * A value is dropped when it was not used for 180 days (requirement book 7.4).
 */

export const CLIENT_KEYS = {
  "incamera.language": "chosen language, before and between sign-ins: fr or en",
  "incamera.theme": "chosen theme: light, dark or system",
  "incamera.wall": "when the wall shows live pictures (always, hover or never), and whether it fills the screen",
  "incamera.player": "player mode (smooth or low_delay) and sound volume",
} as const;

export type ClientKey = keyof typeof CLIENT_KEYS;

/** Cache storage of the service worker: the application's own files, never media, covers or API answers. */
export const SHELL_CACHE = "incamera-shell-1";

const KEEP_UNUSED_MS = 180 * 24 * 3600 * 1000;

interface Stored<T> {
  readonly value: T;
  readonly usedAt: number;
}

/** The stored value, or null if there is none, it is damaged, or was unused for 180 days. */
export function readKey<T>(key: ClientKey, now: number = Date.now()): T | null {
  try {
    const text = localStorage.getItem(key);
    if (text === null) return null;
    const stored = JSON.parse(text) as Stored<T>;
    if (now - stored.usedAt > KEEP_UNUSED_MS) {
      localStorage.removeItem(key);
      return null;
    }
    if (now - stored.usedAt > 24 * 3600 * 1000) writeKey(key, stored.value, now);
    return stored.value;
  } catch {
    return null; // storage refused (private window) or not ours: the default serves as well
  }
}

export function writeKey<T>(key: ClientKey, value: T, now: number = Date.now()): void {
  try {
    localStorage.setItem(key, JSON.stringify({ value, usedAt: now } satisfies Stored<T>));
  } catch {
    // A full or refused storage costs a remembered choice, nothing else.
  }
}
