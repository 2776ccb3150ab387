import { expect, test } from "vitest";
import fr from "./i18n/fr.json";
import { actionOf, SHORTCUTS, type ShortcutGroup } from "./shortcuts";

const plain = { ctrlKey: false, metaKey: false, altKey: false };
const rowsOf = (groups: readonly ShortcutGroup[]) => groups.flatMap((group) => [...SHORTCUTS[group]]);

test.each([[["wall", "everywhere"]], [["picture", "recording", "everywhere"]], [["timeline", "everywhere"]]] as const)("no key means two things in %s", (groups) => {
  const keys = rowsOf(groups).flatMap((row) => Object.keys(row.does));

  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
});

test("every key that the help shows does what its line says", () => {
  const names: Record<string, string> = { "−": "-", "←": "ArrowLeft", "→": "ArrowRight", "↑": "ArrowUp", "↓": "ArrowDown", "key.space": " ", "key.escape": "Escape", "key.pageUp": "PageUp", "key.pageDown": "PageDown", "key.home": "Home", "key.end": "End" };
  for (const row of rowsOf(Object.keys(SHORTCUTS) as ShortcutGroup[])) {
    for (const shown of row.shown.filter((sign) => sign !== "–")) expect(Object.keys(row.does)).toContain(names[shown] ?? shown);
  }
});

test("keys with names have them in words", () => {
  const named = rowsOf(Object.keys(SHORTCUTS) as ShortcutGroup[]).flatMap((row) => row.shown.filter((sign) => sign.startsWith("key.")));

  expect(named.filter((name) => !(name in fr))).toEqual([]);
});

test("keys with Ctrl, Alt or the command key belong to the browser", () => {
  expect(actionOf(["picture"], { ...plain, key: "s" })).toBe("snapshot");
  for (const held of ["ctrlKey", "metaKey", "altKey"]) expect(actionOf(["picture"], { ...plain, key: "s", [held]: true })).toBeNull();
  expect(actionOf(["picture"], { ...plain, key: "toString" })).toBeNull();
});
