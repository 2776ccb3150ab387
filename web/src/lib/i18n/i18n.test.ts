import { beforeEach, expect, test, vi } from "vitest";
import fr from "./fr.json";
import { i18n, LANGUAGES, type MessageKey, preferredLanguage, t, tn } from "./i18n.svelte";
import { duration, keepDuration, startOfDay } from "./time";

beforeEach(async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await i18n.set("en");
});

const KEYS = Object.keys(fr) as MessageKey[];
const OTHERS = LANGUAGES.filter((language) => language.code !== "fr");

test.each(OTHERS)("$name says the same things as French, with the same values in them", async ({ load }) => {
  const { default: words } = await load();
  const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

  expect(Object.keys(words)).toEqual(KEYS);
  for (const key of KEYS) expect([key, values(words[key])]).toEqual([key, values(fr[key])]);
});

test.each(LANGUAGES)("no sentence in $name is that of another language", async ({ code, load }) => {
  const { default: words } = await load();
  const isSentence = (text: string): boolean => /\p{L}{4}.*\s/u.test(text.replace(/\{\w+\}/g, ""));

  for (const other of LANGUAGES.filter((language) => language.code !== code)) {
    const theirs = (await other.load()).default;
    expect(KEYS.filter((key) => words[key] === theirs[key] && isSentence(words[key]))).toEqual([]);
  }
});

test("French has its spaces before two-part signs", () => {
  expect(Object.entries(fr).filter(([, text]) => / [?!:;»]|« /.test(text))).toEqual([]);
});

test("values and plurals are filled in, in the language's own rule", async () => {
  expect(t("wall.open", { name: "Porch" })).toBe("Open Porch");
  expect(tn("time.days", 0)).toBe("0 days");
  await i18n.set("fr");
  expect(tn("time.days", 0)).toBe("0 jour");
});

test("the browser's first language that we speak is taken", () => {
  expect(preferredLanguage(["xx-XX", "fr-CA", "en"])).toBe("fr");
  expect(preferredLanguage(["xx"])).toBe("en");
});

test("durations show their two largest units", () => {
  expect(duration(160)).toBe("2\u00a0min 40\u00a0s");
  expect(duration(0)).toBe("0\u00a0s");
  expect(duration(90_000)).toBe("1\u00a0d 1\u00a0h");
  expect(keepDuration("P7D")).toBe("7 days");
  expect(keepDuration("PT72H")).toBe("72 hours");
});

test("a day begins at the place's midnight, also when its clocks change", () => {
  const midnight = (iso: string): string => new Date(startOfDay(Date.parse(iso), "Europe/Paris")).toISOString();

  expect(midnight("2026-11-24T10:00:00Z")).toBe("2026-11-23T23:00:00.000Z");
  expect(midnight("2026-10-25T12:00:00Z")).toBe("2026-10-24T22:00:00.000Z"); // the night of 25 hours
  expect(midnight("2026-03-29T00:30:00Z")).toBe("2026-03-28T23:00:00.000Z");
});
