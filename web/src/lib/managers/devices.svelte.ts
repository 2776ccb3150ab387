/** All devices of the account, kept current by the server's event stream. */
import { answer, api, ApiProblem, Unreachable } from "../api/client";
import type { Channel, Device } from "../api/model";
import { connection, type VolumeState } from "./connection.svelte";
import { EventFeed } from "./event-feed";
import { now } from "./now.svelte";
import { session } from "./session.svelte";

type Status = "idle" | "loading" | "ready" | "failed";

class Devices {
  status = $state<Status>("idle");
  items = $state.raw<readonly Device[]>([]);
  private events: EventFeed | null = null;

  constructor() {
    connection.whenBack(() => {
      if (this.status !== "idle") void this.load();
    });
    now.whenAwake(() => {
      if (this.status === "idle") return;
      this.events?.renew(); // a line that died without a word tells no events, and no browser asks it
      void this.load();
    });
  }

  /** Loads the list and follows its changes until `stop`. */
  start(): void {
    if (this.events) return;
    this.status = "loading";
    void this.load();
    void connection.probe(); // a tab that follows another one is told changes only
    this.events = this.follow();
  }

  stop(): void {
    this.events?.close();
    this.events = null;
    this.items = [];
    this.status = "idle";
  }

  async load(): Promise<void> {
    try {
      this.items = sorted(await everyPage());
      this.status = "ready";
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) session.end();
      else if (this.items.length === 0) this.status = "failed";
      if (!(error instanceof ApiProblem || error instanceof Unreachable)) throw error;
    }
  }

  put(device: Device): void {
    if (device.removed_until !== null) {
      this.forget(device.id);
      return;
    }
    this.items = sorted([...this.items.filter((known) => known.id !== device.id), device]);
  }

  forget(id: string): void {
    this.items = this.items.filter((device) => device.id !== id);
  }

  find(id: string): Device | null {
    return this.items.find((device) => device.id === id) ?? null;
  }

  findChannel(channelId: string): { device: Device; channel: Channel } | null {
    for (const device of this.items) {
      const channel = device.channels.find((candidate) => candidate.id === channelId);
      if (channel) return { device, channel };
    }
    return null;
  }

  private follow(): EventFeed {
    return new EventFeed("/api/v1/events", ["device", "removed", "watching", "volume"], {
      onOpen: (isAgain) => {
        connection.reached();
        if (isAgain) void Promise.all([this.load(), connection.probe()]);
      },
      onRefused: () => void this.load(),
      onEvent: (name, data) => this.take(name, data),
    });
  }

  private take(name: string, data: string): void {
    if (name === "device") this.put(JSON.parse(data) as Device);
    else if (name === "removed") this.forget((JSON.parse(data) as { id: string }).id);
    else if (name === "watching") this.setWatching(data);
    else if (name === "volume") connection.volume = (JSON.parse(data) as { state: VolumeState }).state;
  }

  private setWatching(data: string): void {
    const { channel_id, watching } = JSON.parse(data) as { channel_id: string; watching: number };
    this.items = this.items.map((device) =>
      device.channels.some((channel) => channel.id === channel_id)
        ? { ...device, channels: device.channels.map((c) => (c.id === channel_id ? { ...c, watching } : c)) }
        : device,
    );
  }
}

async function everyPage(): Promise<Device[]> {
  const all: Device[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: Device[]; next: string | null } = await answer(
      api.GET("/api/v1/devices", { params: { query: { cursor } } }),
    );
    all.push(...page.items.filter((device) => device.removed_until === null));
    cursor = page.next;
  } while (cursor !== null);
  return all;
}

/** A doorbell leads, it is the one people wait for; the rest in the order they came. */
function sorted(devices: Device[]): Device[] {
  const rank = { doorbell: 0, camera: 1, recorder: 2 };
  return devices.sort((a, b) => rank[a.kind] - rank[b.kind] || a.registered_at.localeCompare(b.registered_at));
}

export const devices = new Devices();
