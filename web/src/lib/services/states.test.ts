import { beforeAll, expect, test, vi } from "vitest";
import type { Device } from "../api/model";
import { i18n } from "../i18n/i18n.svelte";
import { headline } from "./states";

const NOW_MS = Date.parse("2026-11-24T10:00:00Z");

beforeAll(async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await i18n.set("en");
});

function device(name: string, ...channels: [string, "online" | "offline", ("off" | "live")?][]): Device {
  const state = (code: string): object => ({ code, fault: null, since: "2026-11-24T09:12:00Z" });
  return {
    name,
    time_zone: "UTC",
    state: state(channels.every(([, code]) => code === "offline") ? "offline" : "online"),
    channels: channels.map(([channel, code, mode]) => ({ name: channel, mode: mode ?? "live", state: state(code) })),
  } as unknown as Device;
}

test("all is well while everything that should send does", () => {
  expect(headline([device("Porch", ["Porch", "online"])], NOW_MS).lead).toBe("All is well.");
  expect(headline([device("Porch", ["Porch", "online"]), device("Shed", ["Shed", "offline", "off"])], NOW_MS).lead).toBe("All is well.");
});

test("all is not well while the server's disk is in trouble", () => {
  expect(headline([device("Porch", ["Porch", "online"])], NOW_MS, false).lead).toBe("All cameras answer, but the disk is not well.");
});

test("one channel of a recorder that is away is named", () => {
  const home = [device("Porch", ["Porch", "online"]), device("Recorder", ["Yard", "online"], ["Garage", "offline"])];

  expect(headline(home, NOW_MS)).toEqual({ lead: "All is well, except Garage.", more: "Since 09:12." });
});

test("a whole device is named once, and a home where nothing answers says so", () => {
  const away = device("Recorder", ["Yard", "offline"], ["Garage", "offline"]);

  expect(headline([device("Porch", ["Porch", "online"]), away], NOW_MS).lead).toBe("All is well, except Recorder.");
  expect(headline([away], NOW_MS).lead).toBe("Recorder does not answer.");
  expect(headline([device("Porch", ["Porch", "offline"]), away], NOW_MS).lead).toBe("No camera answers.");
});
