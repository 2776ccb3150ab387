/** What people do with cameras, doorbells and recorders. */
import { answer, api, once } from "../api/client";
import type { CameraAddress, ChannelMode, Device, FoundStreams, NewDevice, PrivacyCard, ProbeResult, Timeline, Viewing } from "../api/model";
import { t } from "../i18n/i18n.svelte";
import { clockTime } from "../i18n/time";
import { devices } from "../managers/devices.svelte";
import { toasts } from "../managers/toasts.svelte";
import { attempt } from "./problems";

/** Tries a camera without saving anything; a test picture is the proof. Throws ApiProblem `camera_<fault>`. */
export function probeCamera(camera: CameraAddress, signal: AbortSignal): Promise<ProbeResult> {
  return answer(api.POST("/api/v1/devices/probe", { body: camera, signal }));
}

/** By the brand's rule: the smaller stream of this input, or `count` inputs of the recorder from `first` on. */
export function findStreams(camera: CameraAddress, first: number, count: number, signal: AbortSignal): Promise<FoundStreams> {
  return answer(api.POST("/api/v1/devices/find-streams", { body: { ...camera, first, count }, signal }));
}

export async function addDevice(command: NewDevice): Promise<Device> {
  const device = await answer(api.POST("/api/v1/devices", { body: command, headers: once() }));
  devices.put(device);
  return device;
}

export async function changeDevice(id: string, change: { name?: string; time_zone?: string }): Promise<void> {
  devices.put(await answer(api.PATCH("/api/v1/devices/{device_id}", { params: { path: { device_id: id } }, body: change })));
}

export async function savePrivacyCard(id: string, card: PrivacyCard): Promise<void> {
  devices.put(await answer(api.PUT("/api/v1/devices/{device_id}/privacy-card", { params: { path: { device_id: id } }, body: card })));
}

export async function changeChannel(
  device: Device,
  channelId: string,
  change: { name?: string; mode?: ChannelMode; sound?: boolean; keep?: string },
): Promise<void> {
  const path = { channel_id: channelId };
  const channel = await answer(api.PATCH("/api/v1/channels/{channel_id}", { params: { path }, body: change }));
  const known = devices.find(device.id) ?? device;
  devices.put({ ...known, channels: known.channels.map((c) => (c.id === channelId ? { ...c, ...channel } : c)) });
}

/** Capture stops at once; for ten minutes everything can be had back. */
export async function removeDevice(device: Device): Promise<boolean> {
  const path = { device_id: device.id };
  const removed = await attempt(() => answer(api.DELETE("/api/v1/devices/{device_id}", { params: { path } })));
  if (!removed) return false;
  devices.forget(device.id);
  offerRestore(device, removed.removed_until);
  return true;
}

/** After a reload: whatever was removed a moment ago can still be had back. */
export async function offerRestores(): Promise<void> {
  const removed = await attempt(() => answer(api.GET("/api/v1/devices", { params: { query: { removed: true } } })));
  for (const device of removed?.items ?? []) if (device.removed_until !== null) offerRestore(device, device.removed_until);
}

function offerRestore(device: Device, until: string): void {
  const leftMs = new Date(until).getTime() - Date.now();
  if (leftMs < 1000) return;
  toasts.show(t("device.removed", { name: device.name, time: clockTime(new Date(until).getTime()) }), {
    action: { label: t("common.undo"), run: () => void attempt(() => restoreDevice(device.id)) },
    shownMs: leftMs,
  });
}

async function restoreDevice(id: string): Promise<void> {
  devices.put(await answer(api.POST("/api/v1/devices/{device_id}/restore", { params: { path: { device_id: id } } })));
  await devices.load();
}

export async function refreshCover(channelId: string): Promise<void> {
  await answer(api.POST("/api/v1/channels/{channel_id}/cover/refresh", { params: { path: { channel_id: channelId } } }));
}

export async function loadViewings(deviceId: string): Promise<Viewing[]> {
  const path = { device_id: deviceId };
  return (await answer(api.GET("/api/v1/devices/{device_id}/viewings", { params: { path } }))).items;
}

/** What is recorded between two moments (milliseconds since 1970), no finer than `resolutionS`. */
export function loadTimeline(channelId: string, fromMs: number, toMs: number, resolutionS: number, signal: AbortSignal): Promise<Timeline> {
  const path = { channel_id: channelId };
  const query = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), resolution_s: resolutionS };
  return answer(api.GET("/api/v1/channels/{channel_id}/timeline", { params: { path, query }, signal }));
}
