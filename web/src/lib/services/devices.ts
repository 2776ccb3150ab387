/** What people do with cameras, doorbells and recorders. */
import { request } from "../api/client";
import type { Channel, ChannelMode, Device, DeviceKind, Page, PrivacyCard, ProbeResult, Timeline, Viewing } from "../api/model";
import { t } from "../i18n/i18n.svelte";
import { devices } from "../managers/devices.svelte";
import { toasts } from "../managers/toasts.svelte";
import { attempt } from "./problems";

/** Where a camera is and what to say there; name and password left out where it asks for none. */
export interface CameraAddress {
  readonly address: string;
  readonly username?: string;
  readonly password?: string;
}

export interface NewDevice {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly time_zone: string;
  readonly edge_id?: string;
  readonly channels: readonly (CameraAddress & { readonly name: string })[];
  readonly privacy_card: PrivacyCard;
  readonly mode: "live" | "record";
  readonly sound: boolean;
}

/** Tries a camera without saving anything; a test picture is the proof. Throws ApiProblem `camera_<fault>`. */
export function probeCamera(camera: CameraAddress & { edge_id?: string }, signal: AbortSignal): Promise<ProbeResult> {
  return request("POST", "/api/v1/devices/probe", { body: camera, signal });
}

export async function addDevice(command: NewDevice): Promise<Device> {
  const device = await request<Device>("POST", "/api/v1/devices", { body: command, idempotent: true });
  devices.put(device);
  return device;
}

export async function changeDevice(id: string, change: { name?: string; time_zone?: string }): Promise<void> {
  devices.put(await request<Device>("PATCH", `/api/v1/devices/${id}`, { body: change }));
}

export async function savePrivacyCard(id: string, card: PrivacyCard): Promise<void> {
  devices.put(await request<Device>("PUT", `/api/v1/devices/${id}/privacy-card`, { body: card }));
}

export async function changeChannel(
  device: Device,
  channelId: string,
  change: { name?: string; mode?: ChannelMode; sound?: boolean; keep?: string },
): Promise<void> {
  const channel = await request<Channel>("PATCH", `/api/v1/channels/${channelId}`, { body: change });
  const known = devices.find(device.id) ?? device;
  devices.put({ ...known, channels: known.channels.map((c) => (c.id === channelId ? { ...c, ...channel } : c)) });
}

/** Capture stops at once; for ten minutes everything can be had back. */
export async function removeDevice(device: Device): Promise<boolean> {
  const answer = await attempt(() => request<{ removed_until: string }>("DELETE", `/api/v1/devices/${device.id}`));
  if (!answer) return false;
  devices.forget(device.id);
  toasts.show(t("device.removed", { name: device.name }), {
    action: { label: t("common.undo"), run: () => void attempt(() => restoreDevice(device.id)) },
    shownMs: new Date(answer.removed_until).getTime() - Date.now(),
  });
  return true;
}

async function restoreDevice(id: string): Promise<void> {
  devices.put(await request<Device>("POST", `/api/v1/devices/${id}/restore`));
  await devices.load();
}

export function refreshCover(channelId: string): Promise<void> {
  return request("POST", `/api/v1/channels/${channelId}/cover/refresh`);
}

export async function loadViewings(deviceId: string): Promise<Viewing[]> {
  return (await request<Page<Viewing>>("GET", `/api/v1/devices/${deviceId}/viewings`)).items;
}

/** What is recorded between two moments (milliseconds since 1970), no finer than `resolutionS`. */
export function loadTimeline(channelId: string, fromMs: number, toMs: number, resolutionS: number, signal?: AbortSignal): Promise<Timeline> {
  return request("GET", `/api/v1/channels/${channelId}/timeline`, {
    query: { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), resolution_s: resolutionS },
    ...(signal ? { signal } : {}),
  });
}
