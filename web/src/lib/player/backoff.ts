/** Waiting times between attempts: exponential with full jitter, so that a thousand pages do not return at once. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs: number = 400,
    private readonly longestMs: number = 15_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** Milliseconds until the next attempt: never under a third of the bound, so that a refusal is not hammered. */
  next(): number {
    const bound = Math.min(this.longestMs, this.firstMs * 2 ** this.attempt);
    this.attempt += 1;
    return bound / 3 + (this.random() * bound * 2) / 3;
  }

  reset(): void {
    this.attempt = 0;
  }
}
