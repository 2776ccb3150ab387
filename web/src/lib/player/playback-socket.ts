/**
 * The playback socket: one per camera page, opened with the first look into the past.
 *
 * Every `play` and `scrub` carries a growing request number; what still arrives for an older one is dropped, so a
 * finger that moves fast never sees pictures of where it was.
 */
import { Backoff } from "./backoff";
import { hangUp, LineWatch, OPENS_WITHIN_MS, opensInTime, within } from "./line-watch";
import { TicketRefused } from "./live-socket";
import { type MediaFrame, parseFrame, parseMessage, type Run, type ServerMessage, type StopReason } from "./wire";

export type PlaybackEvent =
  | { readonly kind: "run"; readonly stream: string; readonly run: Run }
  | { readonly kind: "frame"; readonly stream: string; readonly frame: MediaFrame }
  | { readonly kind: "scrubbed"; readonly atUs: number; readonly frame: MediaFrame; readonly run: Run }
  | { readonly kind: "gap"; readonly fromUs: number; readonly toUs: number; readonly cause: string }
  | { readonly kind: "end" }
  | { readonly kind: "stopped"; readonly reason: StopReason }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  | { readonly kind: "waiting" };

export interface PlaybackSocketOptions {
  readonly url: string;
  readonly ticket: () => Promise<string>;
  readonly listener: (event: PlaybackEvent) => void;
  readonly makeSocket?: (url: string) => WebSocket;
  readonly backoff?: Backoff;
}

interface Wish {
  readonly kind: "play" | "scrub";
  readonly atUs: number;
  readonly speed: number;
  readonly request: number;
}

export class PlaybackSocket {
  private readonly backoff: Backoff;
  private socket: WebSocket | null = null;
  private streams = new Map<number, string>();
  private readonly runs = new Map<number, Run>();
  private wish: Wish | null = null;
  private sent = 0;
  private answered = 0;
  private scrubInFlight = false;
  private heldFrame: MediaFrame | null = null;
  private lastRequest = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;
  private readonly watch = new LineWatch({ ask: () => this.send({ ping: 1 }), leave: () => this.abandon() });

  constructor(private readonly options: PlaybackSocketOptions) {
    this.backoff = options.backoff ?? new Backoff();
  }

  /** Plays from the sync sample at or before `atUs`. Above four times, only sync samples come. */
  play(atUs: number, speed: number): void {
    this.want("play", atUs, speed);
  }

  /** Asks for the key frame at or before `atUs`. While one is under way only the newest wish is kept. */
  scrub(atUs: number): void {
    this.want("scrub", atUs, 1);
  }

  /** Where the viewer is: the server keeps about ten seconds of media ahead of it. */
  reportPosition(atUs: number): void {
    // Where to go on when the line is lost.
    if (this.isPlaying) this.wish = { ...this.wish!, atUs: Math.round(atUs) };
    const handle = this.handleOf("main");
    if (handle !== null) this.send({ position: { handle, at_us: Math.round(atUs) } });
  }

  /** The server answers the last wish by playing: it goes on from the position it is told. */
  get isPlaying(): boolean {
    return this.wish?.kind === "play" && this.answered === this.wish.request;
  }

  /** The machine slept, the browser says it is on line again: tries at once, and asks a line that seems to be there. */
  retryNow(): void {
    this.watch.doubt();
    if (this.retryTimer === undefined) return;
    clearTimeout(this.retryTimer);
    this.retry();
  }

  close(): void {
    this.isClosed = true;
    this.watch.stop();
    clearTimeout(this.retryTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private want(kind: Wish["kind"], atUs: number, speed: number): void {
    this.lastRequest += 1;
    this.wish = { kind, atUs: Math.round(atUs), speed, request: this.lastRequest };
    if (!this.socket && this.retryTimer === undefined) void this.connect();
    else this.sendWish();
  }

  private async connect(): Promise<void> {
    const socket = (this.options.makeSocket ?? ((url: string) => new WebSocket(url)))(this.options.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    const opened = new Promise<void>((resolve) => {
      socket.onopen = () => {
        this.watch.start();
        resolve();
      };
    });
    opensInTime(socket, () => this.socket === socket && this.abandon());
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.receive(message.data);
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
    try {
      const ticket = await within(OPENS_WITHIN_MS, this.options.ticket());
      await opened;
      if (this.socket === socket) this.send({ open: ticket });
    } catch (error) {
      if (this.socket !== socket) return;
      if (error instanceof TicketRefused) {
        this.close();
        this.options.listener({ kind: "refused", code: error.code, detail: error.message });
      } else {
        this.abandon();
      }
    }
  }

  /** The line does not answer, or there is no ticket for it. */
  private abandon(): void {
    const socket = this.socket;
    if (!socket) return;
    hangUp(socket);
    this.lost();
  }

  private lost(): void {
    this.watch.stop();
    this.socket = null;
    this.streams = new Map();
    this.runs.clear();
    this.sent = 0;
    this.scrubInFlight = false;
    if (this.isClosed) return;
    this.options.listener({ kind: "waiting" });
    this.retryTimer = setTimeout(() => this.retry(), this.backoff.next());
  }

  private retry(): void {
    this.retryTimer = undefined;
    if (this.wish && !this.isClosed) void this.connect();
  }

  private sendWish(): void {
    const wish = this.wish;
    const handle = this.handleOf("main");
    if (!wish || handle === null || wish.request === this.sent) return;
    if (wish.kind === "scrub" && this.scrubInFlight) return;
    this.sent = wish.request;
    this.scrubInFlight = wish.kind === "scrub";
    this.heldFrame = null;
    const { atUs, speed, request } = wish;
    if (wish.kind === "play") this.send({ play: { handle, at_us: atUs, speed, request } });
    else this.send({ scrub: { handle, at_us: atUs, request } });
  }

  private handleOf(stream: string): number | null {
    for (const [handle, name] of this.streams) if (name === stream) return handle;
    return null;
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private receive(data: string | ArrayBuffer): void {
    this.watch.heard();
    if (typeof data === "string") this.receiveMessage(parseMessage(data));
    else this.receiveFrame(parseFrame(data));
  }

  private receiveFrame(frame: MediaFrame): void {
    const stream = this.streams.get(frame.handle);
    if (stream === undefined) return;
    if (this.scrubInFlight) this.heldFrame = frame;
    else if (this.answered === this.sent) this.options.listener({ kind: "frame", stream, frame });
  }

  private receiveMessage(message: ServerMessage): void {
    switch (message.type) {
      case "opened":
        this.opened(message);
        break;
      case "run":
        this.startRun(message.run);
        break;
      case "scrubbed":
        this.scrubbed(message.request, message.at_us);
        break;
      case "gap":
        if (message.request === this.sent) {
          this.options.listener({ kind: "gap", fromUs: message.from_us, toUs: message.to_us, cause: message.cause });
        }
        break;
      case "end":
        if (message.request === this.sent) this.options.listener({ kind: "end" });
        break;
      case "stopped":
        // A server that stops comes back, and closes the line with its next word; everything else was decided.
        if (message.reason !== "server_stopping") this.options.listener({ kind: "stopped", reason: message.reason });
        break;
      case "error":
        this.failed(message);
        break;
      default:
    }
  }

  private opened(message: Extract<ServerMessage, { type: "opened" }>): void {
    this.backoff.reset();
    const handles = "handles" in message ? message.handles : { [message.stream]: message.handle };
    for (const [stream, handle] of Object.entries(handles)) if (handle !== undefined) this.streams.set(handle, stream);
    this.sendWish();
  }

  private startRun(run: Run): void {
    const stream = this.streams.get(run.handle);
    if (stream === undefined) return;
    this.runs.set(run.handle, run);
    if (run.request !== null && run.request !== this.sent) return;
    this.answered = this.sent;
    if (!this.scrubInFlight) this.options.listener({ kind: "run", stream, run });
  }

  private scrubbed(request: number, atUs: number): void {
    const frame = this.heldFrame;
    const run = frame && this.runs.get(frame.handle);
    this.heldFrame = null;
    if (request === this.sent) {
      this.scrubInFlight = false;
      if (frame && run) this.options.listener({ kind: "scrubbed", atUs, frame, run });
      this.sendWish(); // the finger has moved on meanwhile
    }
  }

  private failed(message: Extract<ServerMessage, { type: "error" }>): void {
    if (message.code === "ticket_invalid") {
      this.abandon(); // it expired on a slow line, or was another server's: the next attempt brings its own
      return;
    }
    if (this.scrubInFlight) {
      this.scrubInFlight = false;
      this.sendWish();
    }
    this.options.listener({ kind: "refused", code: message.code, detail: message.detail });
  }
}
