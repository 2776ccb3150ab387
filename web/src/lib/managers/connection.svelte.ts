/** Whether the server can be reached, and its disk is well. Drives the banner; asks `/healthz` while it cannot be reached. */
import { Backoff } from "../player/backoff";

/** How the disk of the recordings is doing: the values of the event `volume`. */
export type VolumeState = "well" | "full" | "read_only" | "failing" | "slow";

class Connection {
  isReachable = $state(true);
  volume = $state<VolumeState>("well");
  /** Called when the server is back after having been away. */
  private readonly onBack = new Set<() => void>();
  private readonly backoff = new Backoff(1000, 15_000);
  private timer: ReturnType<typeof setTimeout> | undefined;

  whenBack(callback: () => void): () => void {
    this.onBack.add(callback);
    return () => this.onBack.delete(callback);
  }

  reached(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.backoff.reset();
    if (this.isReachable) return;
    this.isReachable = true;
    for (const callback of this.onBack) callback();
  }

  missed(): void {
    this.isReachable = false;
    this.timer ??= setTimeout(() => void this.probe(), this.backoff.next());
  }

  /** Asks now instead of waiting. */
  async probe(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      const response = await fetch("/healthz", { cache: "no-store" });
      if (!response.ok) return this.missed();
      this.volume = ((await response.json()) as { storage: VolumeState }).storage;
      this.reached();
    } catch {
      this.missed();
    }
  }
}

export const connection = new Connection();
