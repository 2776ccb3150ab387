import { expect, test } from "vitest";
import css from "./tokens.css?raw";

const TOKENS = new Map([...css.matchAll(/--([\w-]+): light-dark\((#\w+), (#\w+)\)/g)].map((match) => [match[1]!, [match[2]!, match[3]!]]));

function luminance(hex: string): number {
  const channels = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  const [r, g, b] = channels.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG 2.2, definition of contrast ratio. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const TEXT = [
  ["ink", "bg"], ["ink", "surface"], ["ink", "sunken"], ["ink", "hover"], ["ink", "accent-soft"], ["ink", "ok-soft"], ["ink", "warn-soft"],
  ["ink-2", "bg"], ["ink-2", "surface"], ["ink-2", "sunken"], ["accent", "bg"], ["accent", "surface"], ["on-accent", "accent"],
  ["live", "bg"], ["live", "surface"], ["on-live", "live"], ["ok", "bg"], ["ok", "surface"], ["warn", "bg"], ["warn", "surface"], ["warn", "warn-soft"],
  ["closed-ink", "closed"],
] as const;

test.each(TEXT)("%s on %s is readable, light and dark", (ink, ground) => {
  for (const theme of [0, 1]) expect(contrast(TOKENS.get(ink)![theme]!, TOKENS.get(ground)![theme]!)).toBeGreaterThanOrEqual(4.5);
});

test.each([["edge", "surface"], ["edge", "bg"], ["accent", "surface"]] as const)("%s around a control shows on %s", (line, ground) => {
  for (const theme of [0, 1]) expect(contrast(TOKENS.get(line)![theme]!, TOKENS.get(ground)![theme]!)).toBeGreaterThanOrEqual(3);
});
