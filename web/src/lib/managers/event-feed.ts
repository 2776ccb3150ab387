/**
 * The server's events for all tabs of a browser over one connection. HTTP/1.1 gives a site six connections in all; a stream per
 * tab would leave the seventh tab waiting for ever.
 *
 *   following ──lock granted──► leading (EventSource; tells the others) ──stop or tab closed──► another tab's lock is granted
 *
 * Tabs agree through a Web Lock and a BroadcastChannel. Where there are no locks (plain HTTP to another machine), each tab
 * follows by itself.
 */

export interface FeedListener {
  /** The stream is there; `isAgain`: it was lost before, and what changed meanwhile was not told. */
  readonly onOpen: (isAgain: boolean) => void;
  /** The server refused the stream: signed out, or restarting behind a proxy. It is tried again. */
  readonly onRefused: () => void;
  readonly onEvent: (name: string, data: string) => void;
}

export interface FeedSurroundings {
  readonly openSource: (url: string) => EventSource;
  readonly locks: Pick<LockManager, "request"> | null;
  readonly openChannel: (name: string) => BroadcastChannel;
}

type Told = { readonly kind: "open"; readonly isAgain: boolean } | { readonly kind: "refused" } | { readonly kind: "event"; readonly name: string; readonly data: string };

const NAME = "incamera-events";
const RETRY_MS = 3000;

const BROWSER: FeedSurroundings = {
  openSource: (url) => new EventSource(url),
  locks: globalThis.navigator?.locks ?? null,
  openChannel: (name) => new BroadcastChannel(name),
};

export class EventFeed {
  private source: EventSource | null = null;
  private readonly channel: BroadcastChannel | null;
  private readonly abort = new AbortController();
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private letGo: () => void = () => undefined;
  private wasLost = false;

  constructor(
    private readonly url: string,
    private readonly names: readonly string[],
    private readonly listener: FeedListener,
    private readonly around: FeedSurroundings = BROWSER,
  ) {
    this.channel = around.locks ? around.openChannel(NAME) : null;
    if (this.channel) this.channel.onmessage = (message: MessageEvent<Told>) => this.hear(message.data);
    if (around.locks) void this.waitForLead(around.locks);
    else this.lead();
  }

  close(): void {
    this.abort.abort();
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
    this.channel?.close();
    this.letGo();
  }

  /** Another line instead of this one, which may be gone without anybody knowing. */
  renew(): void {
    if (!this.source) return; // another tab leads, and renews
    clearTimeout(this.retryTimer);
    this.source.close();
    this.lead();
  }

  private async waitForLead(locks: Pick<LockManager, "request">): Promise<void> {
    let isFirst = true;
    const held = new Promise<void>((resolve) => (this.letGo = resolve));
    // Whoever gets the lead at once is the first tab and has just loaded everything; a later one takes over from a tab that went.
    setTimeout(() => (isFirst = false), 500);
    await locks
      .request(NAME, { signal: this.abort.signal }, () => {
        if (this.abort.signal.aborted) return;
        this.wasLost = !isFirst;
        this.lead();
        return held;
      })
      .catch(() => undefined); // closed while it waited
  }

  private lead(): void {
    const source = this.around.openSource(this.url);
    this.source = source;
    source.onopen = () => {
      this.tell({ kind: "open", isAgain: this.wasLost });
      this.wasLost = false;
    };
    source.onerror = () => {
      this.wasLost = true;
      if (source.readyState !== 2) return; // the browser tries again by itself
      source.close();
      this.retryTimer = setTimeout(() => {
        if (this.source !== source) return;
        this.lead();
        this.tell({ kind: "refused" });
      }, RETRY_MS);
    };
    for (const name of this.names) {
      source.addEventListener(name, (event: MessageEvent<string>) => this.tell({ kind: "event", name, data: event.data }));
    }
  }

  private tell(told: Told): void {
    this.channel?.postMessage(told);
    this.hear(told);
  }

  private hear(told: Told): void {
    if (told.kind === "open") this.listener.onOpen(told.isAgain);
    else if (told.kind === "refused") this.listener.onRefused();
    else this.listener.onEvent(told.name, told.data);
  }
}
