/**
 * The one live socket of a page: every tile and the camera page share it, because a browser opens only a few
 * connections to one host.
 *
 *   idle ──subscribe──► connecting ──open──► open ──lost──► waiting ──back-off──► connecting
 *     ▲                                        │
 *     └────────── nobody subscribed for 10 s ──┘
 *
 * Going from the wall to a camera asks for what is already coming: a stream stays for a second after it was let go, with the
 * pictures since its last sync sample, and whoever subscribes to it again has a picture at once, without ticket or server.
 *
 * Tickets are short-lived and single-use, so each (re)connect asks for a new batch: all streams of one channel in one
 * request, requested while the socket is still opening.
 */
import { Backoff } from "./backoff";
import { hangUp, LineWatch, OPENS_WITHIN_MS, opensInTime, within } from "./line-watch";
import { type MediaFrame, parseFrame, parseMessage, type Run, type ServerMessage, type StopReason } from "./wire";

export interface Ticket {
  readonly stream: string;
  readonly ticket: string;
}

export type LiveEvent =
  | { readonly kind: "run"; readonly run: Run }
  | { readonly kind: "frame"; readonly frame: MediaFrame }
  | { readonly kind: "state"; readonly state: string; readonly fault: string | null }
  | { readonly kind: "stopped"; readonly reason: StopReason }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  /** The line is gone; the socket comes back by itself and a new run follows. */
  | { readonly kind: "waiting" };

export interface Subscription {
  close(): void;
}

/** A ticket request that will not succeed by trying again. */
export class TicketRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export interface LiveSocketOptions {
  readonly url: string;
  readonly tickets: (channelId: string, streams: string[]) => Promise<readonly Ticket[]>;
  readonly makeSocket?: (url: string) => WebSocket;
  readonly backoff?: Backoff;
}

interface Entry {
  readonly channelId: string;
  readonly stream: string;
  readonly listener: (event: LiveEvent) => void;
  handle: number | null;
  ticket: string | null;
  /** Closed or refused for good: not asked for again on a reconnect. */
  isOver: boolean;
  run: Run | null;
  /** What a late joiner needs: the frames from the last sync sample on. */
  recent: MediaFrame[];
  /** Let go of, and not yet closed on the server. */
  leaving: ReturnType<typeof setTimeout> | undefined;
}

const IDLE_CLOSE_MS = 10_000;
const LINGER_MS = 1000;
/** About ten seconds; a stream with longer GOPs is joined through the server. */
const MOST_RECENT = 300;

export class LiveSocket {
  private readonly entries = new Set<Entry>();
  private readonly byHandle = new Map<number, Entry>();
  private readonly byTicket = new Map<string, Entry>();
  private readonly backoff: Backoff;
  private socket: WebSocket | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;
  private isBatchPlanned = false;
  private readonly watch = new LineWatch({ ask: () => this.send({ ping: 1 }), leave: () => this.abandon() });

  constructor(private readonly options: LiveSocketOptions) {
    this.backoff = options.backoff ?? new Backoff();
  }

  /** Asks for one stream of a channel; it ends any earlier subscription of the same stream on this page. */
  subscribe(channelId: string, stream: string, listener: (event: LiveEvent) => void): Subscription {
    for (const other of this.entries) if (other.channelId === channelId && other.stream === stream) this.drop(other);
    const entry: Entry = { channelId, stream, listener, handle: null, ticket: null, isOver: false, run: null, recent: [], leaving: undefined };
    this.entries.add(entry);
    clearTimeout(this.idleTimer);
    this.takeOver(entry);
    this.connect();
    this.planBatch();
    return { close: () => this.drop(entry) };
  }

  /**
   * Something happened to the line or to this machine (the browser says it is on line again, somebody looks again): tries at
   * once instead of waiting for the back-off, and asks a line that seems to be there whether it is.
   */
  retryNow(): void {
    this.watch.doubt();
    if (this.retryTimer === undefined) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.connect();
    this.planBatch();
  }

  close(): void {
    clearTimeout(this.retryTimer);
    clearTimeout(this.idleTimer);
    this.watch.stop();
    this.retryTimer = undefined;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.entries.clear();
    this.forgetHandles();
    this.byTicket.clear();
  }

  private drop(entry: Entry): void {
    if (!this.entries.delete(entry)) return;
    entry.isOver = true;
    if (entry.handle !== null && this.byHandle.get(entry.handle) === entry) {
      entry.leaving = setTimeout(() => this.leave(entry), LINGER_MS);
    }
    if (this.entries.size === 0) {
      clearTimeout(this.idleTimer);
      this.idleTimer = setTimeout(() => this.close(), IDLE_CLOSE_MS);
    }
  }

  /** Goes on with a stream that was just let go of, if it has a picture to start with. */
  private takeOver(entry: Entry): void {
    for (const [handle, before] of this.byHandle) {
      const isSame = before.leaving !== undefined && before.channelId === entry.channelId && before.stream === entry.stream;
      if (!isSame) continue;
      if (!before.run || before.recent.length === 0) {
        this.leave(before); // first closed, then opened anew: the server gives both the same handle
        return;
      }
      clearTimeout(before.leaving);
      const { run, recent } = before;
      Object.assign(entry, { handle, ticket: before.ticket, run, recent });
      this.byHandle.set(handle, entry);
      queueMicrotask(() => {
        if (entry.isOver || entry.run !== run) return;
        entry.listener({ kind: "run", run });
        for (const frame of recent) entry.listener({ kind: "frame", frame });
      });
      return;
    }
  }

  private leave(entry: Entry): void {
    clearTimeout(entry.leaving);
    if (entry.handle === null || this.byHandle.get(entry.handle) !== entry) return;
    this.byHandle.delete(entry.handle);
    this.send({ close: entry.handle });
  }

  private forgetHandles(): void {
    for (const entry of this.byHandle.values()) clearTimeout(entry.leaving);
    this.byHandle.clear();
  }

  private connect(): void {
    if (this.socket || this.retryTimer !== undefined) return;
    const socket = (this.options.makeSocket ?? ((url: string) => new WebSocket(url)))(this.options.url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.watch.start();
      for (const entry of this.entries) this.open(entry);
    };
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.receive(message.data);
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
    this.socket = socket;
    opensInTime(socket, () => this.socket === socket && this.abandon());
  }

  /** The line does not answer: closing it properly would wait for the far end. */
  private abandon(): void {
    const socket = this.socket;
    if (!socket) return;
    hangUp(socket);
    this.lost();
  }

  private lost(): void {
    this.watch.stop();
    this.socket = null;
    this.forgetHandles();
    this.byTicket.clear();
    for (const entry of this.entries) {
      entry.handle = null;
      entry.ticket = null;
      if (!entry.isOver) entry.listener({ kind: "waiting" });
    }
    if (this.entries.size === 0) return;
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      this.connect();
      this.planBatch();
    }, this.backoff.next());
  }

  /** One round of ticket requests for all that subscribed in this turn. */
  private planBatch(): void {
    if (this.isBatchPlanned) return;
    this.isBatchPlanned = true;
    queueMicrotask(() => {
      this.isBatchPlanned = false;
      const byChannel = new Map<string, Entry[]>();
      for (const entry of this.entries) {
        if (entry.isOver || entry.ticket !== null || entry.handle !== null) continue;
        byChannel.set(entry.channelId, [...(byChannel.get(entry.channelId) ?? []), entry]);
      }
      for (const [channelId, entries] of byChannel) void this.askTickets(channelId, entries);
    });
  }

  private async askTickets(channelId: string, entries: Entry[]): Promise<void> {
    for (const entry of entries) entry.ticket = ""; // asked for
    try {
      const streams = entries.map((entry) => entry.stream);
      const tickets = await within(OPENS_WITHIN_MS, this.options.tickets(channelId, streams));
      for (const entry of entries) {
        if (entry.isOver || entry.handle !== null) continue; // the line was lost and came back while these were under way
        entry.ticket = tickets.find((ticket) => ticket.stream === entry.stream)?.ticket ?? null;
        if (entry.ticket === null) this.refuse(entry, "not_found", "");
        else this.open(entry);
      }
    } catch (error) {
      for (const entry of entries) {
        if (entry.handle !== null) continue;
        entry.ticket = null;
        if (error instanceof TicketRefused) this.refuse(entry, error.code, error.message);
        else entry.listener({ kind: "waiting" });
      }
      if (!(error instanceof TicketRefused)) setTimeout(() => this.planBatch(), this.backoff.next());
    }
  }

  private open(entry: Entry): void {
    if (entry.isOver || !entry.ticket || this.socket?.readyState !== WebSocket.OPEN) return;
    this.byTicket.set(entry.ticket, entry);
    this.send({ open: entry.ticket });
  }

  private refuse(entry: Entry, code: string, detail: string): void {
    entry.isOver = true;
    entry.listener({ kind: "refused", code, detail });
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private receive(data: string | ArrayBuffer): void {
    this.watch.heard();
    if (typeof data === "string") {
      this.receiveMessage(parseMessage(data));
      return;
    }
    const frame = parseFrame(data);
    const entry = this.byHandle.get(frame.handle);
    if (!entry) return;
    keepRecent(entry, frame);
    if (!entry.isOver) entry.listener({ kind: "frame", frame });
  }

  private receiveMessage(message: ServerMessage): void {
    if (message.type === "opened") this.opened(message.ticket, message.handle);
    else if (message.type === "error") this.failed(message);
    else if ("handle" in message) this.dispatch(message.handle, message);
  }

  private opened(ticket: string, handle: number): void {
    const entry = this.byTicket.get(ticket);
    this.byTicket.delete(ticket);
    if (!entry || entry.isOver) {
      this.send({ close: handle }); // its tile went away while the ticket was under way
      return;
    }
    this.backoff.reset();
    entry.handle = handle;
    this.byHandle.set(handle, entry);
  }

  private failed(message: Extract<ServerMessage, { type: "error" }>): void {
    const entry = message.ticket === undefined ? undefined : this.byTicket.get(message.ticket);
    if (!entry) return;
    this.byTicket.delete(message.ticket!);
    entry.ticket = null;
    if (message.code === "ticket_invalid") this.planBatch(); // it expired on a slow line
    else this.refuse(entry, message.code, message.detail);
  }

  private dispatch(handle: number, message: ServerMessage): void {
    const entry = this.byHandle.get(handle);
    if (!entry) return;
    if (message.type === "run") this.startRun(entry, message.run);
    else if (message.type === "state") this.changeState(entry, message.state, message.fault);
    else if (message.type === "stopped") this.stopped(entry, message.reason);
  }

  private changeState(entry: Entry, state: string, fault: string | null): void {
    entry.recent = []; // whoever joins now shall be told by the server
    if (!entry.isOver) entry.listener({ kind: "state", state, fault });
  }

  private startRun(entry: Entry, run: Run): void {
    entry.run = run;
    entry.recent = [];
    if (!entry.isOver) entry.listener({ kind: "run", run });
  }

  private stopped(entry: Entry, reason: StopReason): void {
    if (entry.handle !== null) this.byHandle.delete(entry.handle);
    clearTimeout(entry.leaving);
    entry.handle = null;
    entry.ticket = null;
    if (entry.isOver) return; // let go of meanwhile
    // A server that stops comes back; everything else was decided and is not asked for again.
    entry.isOver = reason !== "server_stopping";
    entry.listener({ kind: "stopped", reason });
  }
}

function keepRecent(entry: Entry, frame: MediaFrame): void {
  if (frame.isSync) entry.recent = [frame];
  else if (entry.recent.length > 0 && entry.recent.length < MOST_RECENT) entry.recent.push(frame);
  else entry.recent = [];
}
