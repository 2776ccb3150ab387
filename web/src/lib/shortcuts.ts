/**
 * Every key that does something, once: pages ask here what a key means, and the help (`?`) lists the same rows.
 *
 * A row is what one line of the help says: the keys as people see them, what they do in words, and what each key as the
 * browser names it is called in code. Handlers are a `Record` of those names, so a row without a handler does not compile.
 */
import type { MessageKey } from "./i18n/i18n.svelte";

interface Row {
  /** As printed on a keyboard; names of keys that differ by language are messages. */
  readonly shown: readonly string[];
  readonly words: MessageKey;
  readonly does: Readonly<Record<string, string>>;
}

const DIGITS = { "1": "open", "2": "open", "3": "open", "4": "open", "5": "open", "6": "open", "7": "open", "8": "open", "9": "open" } as const;

export const SHORTCUTS = {
  wall: [
    { shown: ["1", "–", "9"], words: "keys.open", does: DIGITS },
    { shown: ["f"], words: "keys.full", does: { f: "full" } },
    { shown: ["key.escape"], words: "keys.leaveFull", does: { Escape: "leaveFull" } },
  ],
  picture: [
    { shown: ["key.space", "k"], words: "keys.pause", does: { " ": "pause", k: "pause" } },
    { shown: ["m"], words: "keys.sound", does: { m: "sound" } },
    { shown: ["s"], words: "keys.snapshot", does: { s: "snapshot" } },
    { shown: ["f"], words: "keys.fullscreen", does: { f: "fullscreen" } },
    { shown: ["+", "−", "0"], words: "keys.zoom", does: { "+": "zoomIn", z: "zoomIn", "-": "zoomOut", x: "zoomOut", "0": "zoomReset" } },
    { shown: ["←", "→", "↑", "↓"], words: "keys.move", does: { ArrowLeft: "moveLeft", ArrowRight: "moveRight", ArrowUp: "moveUp", ArrowDown: "moveDown" } },
    { shown: ["p"], words: "keys.floating", does: { p: "floating" } },
    { shown: ["d"], words: "keys.lowDelay", does: { d: "lowDelay" } },
  ],
  recording: [
    { shown: [",", "."], words: "keys.step", does: { ",": "stepBack", ".": "stepOn" } },
    { shown: ["<", ">"], words: "keys.speed", does: { "<": "slower", ">": "faster" } },
    { shown: ["l"], words: "keys.live", does: { l: "live" } },
  ],
  timeline: [
    { shown: ["←", "→"], words: "keys.seek", does: { ArrowLeft: "back", ArrowRight: "on" } },
    { shown: ["key.pageUp", "key.pageDown"], words: "keys.page", does: { PageUp: "pageBack", PageDown: "pageOn" } },
    { shown: ["key.home", "key.end"], words: "keys.ends", does: { Home: "oldest", End: "now" } },
    { shown: ["+", "−"], words: "keys.timeline", does: { "+": "zoomIn", "=": "zoomIn", "-": "zoomOut" } },
  ],
  everywhere: [{ shown: ["?"], words: "keys.help", does: { "?": "help" } }],
} as const satisfies Record<string, readonly Row[]>;

export type ShortcutGroup = keyof typeof SHORTCUTS;

type Names<Does> = Does extends unknown ? Does[keyof Does] : never;
/** What the keys of a group are called in code. */
export type ActionOf<Group extends ShortcutGroup> = Names<(typeof SHORTCUTS)[Group][number]["does"]>;

/** What this key press means there, or null; with Ctrl, Alt or the command key it belongs to the browser. */
export function actionOf<Group extends ShortcutGroup>(groups: readonly Group[], event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">): ActionOf<Group> | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  for (const group of groups) {
    for (const { does } of SHORTCUTS[group] as readonly Row[]) {
      if (Object.hasOwn(does, event.key)) return does[event.key] as ActionOf<Group>;
    }
  }
  return null;
}

/** The press is for a control: somebody writes, or chooses in a list. */
export function isTyping(event: KeyboardEvent): boolean {
  return (event.target as Element).closest("input, select, textarea") !== null;
}
