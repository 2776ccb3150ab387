/** The state of a device in words and a shape. One place, so that wall, camera page and settings say the same. */
import type { Channel, Device } from "../api/model";
import type { Tone } from "../components/State.svelte";
import { findMessage, t } from "../i18n/i18n.svelte";
import { capital, sinceWhen } from "../i18n/time";

export interface Spoken {
  readonly tone: Tone;
  readonly word: string;
}

/** Of a whole device: a word and its shape. */
export function stateOf(device: Device, channel: Channel | null = null): Spoken {
  if (channel ? channel.mode === "off" : device.channels.every((c) => c.mode === "off")) {
    return { tone: "shut", word: t("state.off") };
  }
  switch (stateFor(device, channel).code) {
    case "online":
      return { tone: "live", word: t("state.live") };
    case "connecting":
      return { tone: "wait", word: t("state.connecting") };
    case "offline":
      return { tone: "off", word: t("state.offline") };
    case "off":
      return { tone: "shut", word: t("state.off") };
  }
}

export function stateFor(device: Device, channel: Channel | null = null): Device["state"] {
  return channel?.state ?? device.state;
}

export function isOffline(device: Device): boolean {
  return device.state.code === "offline" && device.channels.some((channel) => channel.mode !== "off");
}

/** "Off line since 09:12." */
export function offlineSince(device: Device, nowMs: number): string {
  const since = device.state.since;
  return since === null ? t("state.offline") : `${t("state.offline")} ${sinceWhen(new Date(since).getTime(), nowMs, device.time_zone)}`;
}

/** Why, and what helps: two sentences for a fault code. */
export function faultWords(fault: string | null): { why: string; help: string } {
  return {
    why: findMessage(`fault.${fault ?? "none"}.why`) ?? t("fault.unknown.why"),
    help: findMessage(`fault.${fault ?? "none"}.help`) ?? t("fault.unknown.help"),
  };
}

interface Away {
  readonly name: string;
  readonly since: string | null;
  readonly timeZone: string;
}

/** The sentence a neighbour would say about the home: the first part in bold, the second with what is not well. */
export function headline(all: readonly Device[], nowMs: number, isDiskWell = true): { lead: string; more: string } {
  const watched = all.filter((device) => device.channels.some((channel) => channel.mode !== "off"));
  const away = watched.flatMap(awayOf);
  const [first] = away;
  if (watched.length === 0) return { lead: t("headline.allOff"), more: "" };
  if (!first) return { lead: t(isDiskWell ? "headline.well" : "headline.disk"), more: "" };
  if (watched.length > 1 && watched.every(isOffline)) return { lead: t("headline.nothing"), more: "" };
  const names = away.map((one) => one.name).join(", ");
  const isAll = watched.length === 1 && isOffline(watched[0]!);
  return {
    lead: isAll ? t("headline.one", { name: names }) : t("headline.except", { names }),
    more: away.length === 1 ? `${capital(sinceOf(first, nowMs))}.` : "",
  };
}

/** The device when all of it is away, otherwise those of its channels that are. */
function awayOf(device: Device): Away[] {
  if (isOffline(device)) return [{ name: device.name, since: device.state.since, timeZone: device.time_zone }];
  return device.channels.filter((channel) => isAway(device, channel)).map((channel) => ({ name: channel.name, since: channel.state.since, timeZone: device.time_zone }));
}

export function isAway(device: Device, channel: Channel): boolean {
  return channel.mode !== "off" && stateFor(device, channel).code === "offline";
}

function sinceOf({ since, timeZone }: Away, nowMs: number): string {
  return since === null ? t("state.offline") : sinceWhen(new Date(since).getTime(), nowMs, timeZone);
}
