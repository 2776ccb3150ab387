import { beforeEach, expect, test, vi } from "vitest";
import en from "./en.json";
import fr from "./fr.json";
import { i18n, preferredLanguage, t, tn } from "./i18n.svelte";
import { duration, keepDuration, startOfDay } from "./time";

beforeEach(async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await i18n.set("en");
});

test("both languages say the same things, with the same values in them", () => {
  const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

  expect(Object.keys(en)).toEqual(Object.keys(fr));
  for (const key of Object.keys(fr) as (keyof typeof fr)[]) expect([key, values(en[key])]).toEqual([key, values(fr[key])]);
});

test("no sentence was left untranslated", () => {
  const same = (Object.keys(fr) as (keyof typeof fr)[]).filter((key) => fr[key] === en[key] && /\p{L}{4}.*\s/u.test(fr[key].replace(/\{\w+\}/g, "")));

  expect(same).toEqual([]);
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
  expect(preferredLanguage(["de-DE", "fr-CA", "en"])).toBe("fr");
  expect(preferredLanguage(["de"])).toBe("en");
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
