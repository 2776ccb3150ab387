/** How often something failed lately: once is bad luck, again and again is a stream that cannot be read here. */
export class Failures {
  private times: number[] = [];

  constructor(
    private readonly most: number,
    private readonly withinMs: number,
  ) {}

  /** Notes one; true when there were as many as are borne. */
  note(): boolean {
    const nowMs = performance.now();
    this.times = [...this.times.filter((atMs) => nowMs - atMs < this.withinMs), nowMs];
    return this.times.length >= this.most;
  }

  /** Lately. */
  get count(): number {
    return this.times.length;
  }
}
