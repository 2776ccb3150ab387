/**
 * Times as people read them, in the camera's own time zone: what it saw at nine was at nine *there*.
 * All functions read the language rune, so what is drawn follows a change of language.
 */
import { i18n, t, tn } from "./i18n.svelte";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(options: Intl.DateTimeFormatOptions, timeZone?: string): Intl.DateTimeFormat {
  const locale = i18n.locale;
  const key = JSON.stringify([locale, options, timeZone]);
  const known = formats.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(locale, { ...options, ...(timeZone ? { timeZone } : {}) });
  formats.set(key, made);
  return made;
}

/** 20:47 */
export function clockTime(ms: number, timeZone?: string): string {
  return format({ hour: "2-digit", minute: "2-digit" }, timeZone).format(ms);
}

/** 20:47:12 */
export function clockSeconds(ms: number, timeZone?: string): string {
  return format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, timeZone).format(ms);
}

/** Tuesday 24 November */
export function dayName(ms: number, timeZone?: string): string {
  return format({ weekday: "long", day: "numeric", month: "long" }, timeZone).format(ms);
}

/** 24 November 2026, 20:47 */
export function dateTime(ms: number, timeZone?: string): string {
  return format({ day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" }, timeZone).format(ms);
}

/** "today", "yesterday" or the day's name. */
export function relativeDay(ms: number, nowMs: number, timeZone?: string): string {
  if (isSameDay(ms, nowMs, timeZone)) return t("time.today");
  if (isSameDay(ms, startOfDay(nowMs, timeZone) - 1, timeZone)) return t("time.yesterday");
  return dayName(ms, timeZone);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "since 09:12" today, "since yesterday, 09:12", "since Monday 23 November, 09:12". */
export function sinceWhen(ms: number, nowMs: number, timeZone?: string): string {
  const clock = clockTime(ms, timeZone);
  if (isSameDay(ms, nowMs, timeZone)) return t("time.since", { when: clock });
  return t("time.since", { when: `${relativeDay(ms, nowMs, timeZone)}, ${clock}` });
}

/** "2 min 40 s" up to "3 d 4 h": the two largest units. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(s / 86400), t("time.unit.d")],
    [Math.floor((s % 86400) / 3600), t("time.unit.h")],
    [Math.floor((s % 3600) / 60), t("time.unit.min")],
    [s % 60, t("time.unit.s")],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return `0\u00a0${t("time.unit.s")}`;
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}\u00a0${unit}`).join(" ");
}

/** "7 days", "72 hours" of an ISO 8601 duration such as P7D; the text itself if it is of another kind. */
export function keepDuration(iso: string): string {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?)?$/.exec(iso);
  const days = Number(match?.[1] ?? 0);
  const hours = Number(match?.[2] ?? 0);
  if (days > 0) return tn("time.days", days);
  if (hours > 0) return tn("time.hours", hours);
  return iso;
}

export function isSameDay(a: number, b: number, timeZone?: string): boolean {
  return dayKey(a, timeZone) === dayKey(b, timeZone);
}

/** 2026-11-24 in that zone. */
export function dayKey(ms: number, timeZone?: string): string {
  return zoneFormat("en-CA", timeZone).format(ms);
}

/** Midnight that began the day of `ms` in that zone, as a UTC instant; correct on the days the clocks change. */
export function startOfDay(ms: number, timeZone?: string): number {
  const day = dayKey(ms, timeZone);
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  let guess = Date.UTC(year, month - 1, date) - offsetMs(ms, timeZone);
  guess = Date.UTC(year, month - 1, date) - offsetMs(guess, timeZone);
  return guess;
}

function offsetMs(ms: number, timeZone?: string): number {
  const parts = Object.fromEntries(
    zoneFormat("en-US", timeZone, true)
      .formatToParts(ms)
      .map((part) => [part.type, Number(part.value)]),
  );
  const local = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"]!, parts["hour"]! % 24, parts["minute"]!, parts["second"]!);
  return local - Math.floor(ms / 1000) * 1000;
}

const zoneFormats = new Map<string, Intl.DateTimeFormat>();

function zoneFormat(locale: string, timeZone: string | undefined, withTime = false): Intl.DateTimeFormat {
  const key = `${locale}|${timeZone ?? ""}|${withTime}`;
  const known = zoneFormats.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(locale, {
    ...(timeZone ? { timeZone } : {}),
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    ...(withTime ? { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } : {}),
  });
  zoneFormats.set(key, made);
  return made;
}
