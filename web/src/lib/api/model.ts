/** Wire types of the control API, as the screens use them. */

export type Language = "fr" | "en";

export interface Account {
  id: string;
  email: string;
  nickname: string | null;
  country: string;
  language: Language;
}

export interface Session {
  account: Account;
  server: { version: string; role: string };
}

export type ChannelMode = "off" | "live" | "record";
export type DeviceKind = "camera" | "doorbell" | "recorder";
export type DeviceStateCode = "online" | "offline" | "connecting" | "off";
export type Placement = "indoor" | "outdoor" | "doorbell";

export interface PrivacyCard {
  purpose: string;
  placement: Placement;
  sees_public_space: boolean;
  staff_informed: boolean | null;
  sound: boolean;
}

export interface Channel {
  id: string;
  number: number;
  name: string;
  mode: ChannelMode;
  sound: boolean;
  has_sub: boolean;
  codec: string | null;
  audio_codec: string | null;
  width: number | null;
  height: number | null;
  cover: { url: string; taken_at: string } | null;
  keep: string;
  keep_ceiling: string;
  watching: number;
  state: DeviceState;
  address: string | null;
}

export interface DeviceState {
  code: DeviceStateCode;
  fault: string | null;
  since: string | null;
}

export interface Device {
  id: string;
  kind: DeviceKind;
  name: string;
  model: string | null;
  serial: string | null;
  time_zone: string;
  address: string | null;
  state: DeviceState;
  registered_at: string;
  privacy_card: PrivacyCard | null;
  sign_url: string | null;
  channels: Channel[];
  is_owner: boolean;
  permissions: string[];
  removed_until: string | null;
  edge_id: string | null;
}

export interface ProbeResult {
  fault: string;
  video_codec: string;
  audio_codec: string;
  width: number;
  height: number;
  picture: string | null;
}

export interface Edge {
  id: string;
  name: string | null;
  is_local: boolean;
  online: boolean;
  last_seen_at: string | null;
  software: string | null;
  created_at: string;
}

export interface NewEdge {
  edge_id: string;
  code: string;
  expires_at: string;
  command: string;
}

export interface SignedInTerminal {
  id: string;
  is_current: boolean;
  is_remembered: boolean;
  terminal: string;
  os_family: string;
  model_class: string;
  signed_in_at: string;
  last_used_at: string;
  expires_at: string;
}

export interface Viewing {
  id: string;
  channel_id: string;
  viewer: string | null;
  is_you: boolean;
  kind: "live" | "playback";
  started_at: string;
  ended_at: string | null;
}

export interface Timeline {
  from: string;
  to: string;
  resolution_s: number;
  runs: { from_us: number; to_us: number; stream: string }[];
  gaps: { from_us: number; to_us: number; cause: string }[];
  oldest_us: number | null;
  newest_us: number | null;
  now_us: number;
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}
