/** Whether the server can be reached. Drives the banner; asks `/healthz` while it cannot. */
import { Backoff } from "../player/backoff";

class Connection {
  isReachable = $state(true);
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
      if (response.ok) this.reached();
      else this.missed();
    } catch {
      this.missed();
    }
  }
}

export const connection = new Connection();
