/**
 * The time, once a second for all that shows it; whether anybody can see the page; and the moments at which what came before
 * means nothing any more: the machine slept, the page was frozen, somebody looks again, the line is back.
 */

/** A glance at another tab ends nothing; who stays away longer need not be sent pictures. */
const GLANCE_MS = 8000;
const SLEPT_MS = 5000;

class Now {
  ms = $state(Date.now());
  isPageVisible = $state(true);
  /** Somebody sees the page, or did a moment ago. */
  isWatched = $state(true);
  private readonly onWake = new Set<() => void>();
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  private tickedAtMs = performance.now();

  start(): void {
    setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    document.addEventListener("resume", () => this.wake()); // Page Lifecycle: a frozen page goes on
    addEventListener("online", () => this.wake());
  }

  /** Calls back when something happened after which lines and pictures may be old. */
  whenAwake(callback: () => void): () => void {
    this.onWake.add(callback);
    return () => this.onWake.delete(callback);
  }

  private tick(): void {
    const atMs = performance.now();
    if (atMs - this.tickedAtMs > SLEPT_MS && this.isPageVisible) this.wake();
    this.tickedAtMs = atMs;
    if (this.isPageVisible) this.ms = Date.now();
  }

  private look(): void {
    this.isPageVisible = !document.hidden;
    this.ms = Date.now();
    clearTimeout(this.hiddenTimer);
    if (!this.isPageVisible) this.hiddenTimer = setTimeout(() => (this.isWatched = false), GLANCE_MS);
    else if (!this.isWatched) this.wake();
  }

  private wake(): void {
    if (document.hidden) return;
    this.tickedAtMs = performance.now();
    this.isWatched = true;
    for (const callback of this.onWake) callback();
  }
}

export const now = new Now();
