/**
 * One SourceBuffer and the queue in front of it.
 *
 * A SourceBuffer takes one operation at a time and refuses the rest, so everything waits here in order: the start of a
 * run (codec, time offset, init segment), chunks (joined while they wait), removals. A full buffer frees what
 * was seen and tries again; if that does not help, what waits is dropped and the owner is told to start at a sync sample.
 */
import { mimeOf } from "./media-source";

type Operation =
  | { readonly kind: "run"; readonly codec: string; readonly offsetS: number; readonly init: Uint8Array<ArrayBuffer> }
  | { readonly kind: "append"; readonly parts: Uint8Array<ArrayBuffer>[] }
  | { readonly kind: "remove"; readonly fromS: number; readonly toS: number };

export interface TrackOptions {
  /** Seconds of media behind the position that stay. */
  readonly keepBehindS: number;
  /** The SourceBuffer failed or is full beyond help: start again. */
  readonly onBroken: (why: "quota" | "decode") => void;
  /** Something was appended; `buffered` may have grown. */
  readonly onAppended?: () => void;
}

export class Track {
  private buffer: SourceBuffer | null = null;
  private codec = "";
  private queue: Operation[] = [];
  private freed = false;
  /** Goes in with the chunks that wait behind it. */
  private init: Uint8Array<ArrayBuffer>[] = [];
  private isClosed = false;
  private isOpen = false;

  constructor(
    private readonly source: MediaSource,
    private readonly element: HTMLMediaElement,
    private readonly options: TrackOptions,
  ) {
    // A decoder that fails after the last append shows nowhere else: nothing is appended that could be refused.
    element.addEventListener("error", this.failed);
    // By the event and not by readyState, which is "open" a moment before: the source is still being set up then.
    source.addEventListener("sourceopen", () => {
      this.isOpen = true;
      this.pump();
    });
  }

  /** Chunks after this, and `first` with it, belong to a run of that codec whose decode time zero is shown at `offsetS`. */
  startRun(codec: string, offsetS: number, init: Uint8Array<ArrayBuffer>, first?: Uint8Array<ArrayBuffer>): void {
    this.queue.push({ kind: "run", codec, offsetS, init });
    if (first) this.queue.push({ kind: "append", parts: [first] });
    this.pump();
  }

  append(chunk: Uint8Array<ArrayBuffer>): void {
    const last = this.queue.at(-1);
    if (last?.kind === "append") last.parts.push(chunk);
    else this.push({ kind: "append", parts: [chunk] });
    this.pump();
  }

  /** Forgets everything buffered and everything that waits. */
  clear(): void {
    this.queue = [];
    this.init = [];
    this.push({ kind: "remove", fromS: 0, toS: Number.POSITIVE_INFINITY });
  }

  /** Lets go of what was seen more than `keepBehindS` ago; call it every few seconds. */
  trim(): void {
    const start = this.buffer?.buffered.length ? this.buffer.buffered.start(0) : null;
    const until = this.element.currentTime - this.options.keepBehindS;
    if (start !== null && until - start > 10) this.push({ kind: "remove", fromS: start, toS: until });
  }

  get buffered(): TimeRanges | null {
    return this.isUsable() ? this.buffer!.buffered : null;
  }

  close(): void {
    this.element.removeEventListener("error", this.failed);
    this.isClosed = true;
    this.queue = [];
  }

  private readonly failed = (): void => {
    if (!this.isClosed) this.options.onBroken("decode");
  };

  private push(operation: Operation): void {
    this.queue.push(operation);
    this.pump();
  }

  private isUsable(): boolean {
    return !this.isClosed && this.source.readyState !== "closed" && this.buffer !== null;
  }

  private pump(): void {
    if (this.isClosed || !this.isOpen || this.source.readyState === "closed") return;
    while (this.queue.length > 0 && !this.buffer?.updating) {
      const operation = this.queue[0]!;
      try {
        if (!this.perform(operation)) return;
      } catch (error) {
        this.recover(error, operation);
        return;
      }
      this.queue.shift();
    }
  }

  /** Starts an operation; false if it must wait. */
  private perform(operation: Operation): boolean {
    if (operation.kind === "run") this.prepareRun(operation.codec, operation.offsetS, operation.init, this.queue[1]?.kind === "append");
    else if (!this.buffer) return operation.kind === "remove"; // nothing to remove yet; chunks wait for their run
    else if (operation.kind === "append") this.appendParts(this.buffer, operation.parts);
    else if (operation.toS > operation.fromS) this.buffer.remove(operation.fromS, operation.toS);
    return true;
  }

  /** Taken: there is room again. Throws QuotaExceededError otherwise. */
  private appendParts(buffer: SourceBuffer, parts: Uint8Array<ArrayBuffer>[]): void {
    buffer.appendBuffer(join([...this.init, ...parts]));
    this.init = [];
    this.freed = false;
  }

  private prepareRun(codec: string, offsetS: number, init: Uint8Array<ArrayBuffer>, isFollowed: boolean): void {
    const mime = mimeOf(codec);
    if (!this.buffer) this.buffer = this.makeBuffer(mime);
    else if (codec !== this.codec && "changeType" in this.buffer) this.buffer.changeType(mime);
    this.codec = codec;
    this.buffer.timestampOffset = offsetS;
    if (isFollowed) this.init = [init];
    else this.buffer.appendBuffer(init);
  }

  private makeBuffer(mime: string): SourceBuffer {
    const buffer = this.source.addSourceBuffer(mime);
    buffer.addEventListener("updateend", () => {
      this.pump();
      this.options.onAppended?.();
    });
    buffer.addEventListener("error", () => this.options.onBroken("decode"));
    return buffer;
  }

  private recover(error: unknown, operation: Operation): void {
    const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
    if (isFull && !this.freed && operation.kind === "append") {
      this.freed = true;
      const until = this.element.currentTime - 3;
      if (until > 0) this.queue.unshift({ kind: "remove", fromS: 0, toS: until });
      this.pump();
      return;
    }
    this.queue = [];
    this.options.onBroken(isFull ? "quota" : "decode");
  }
}

function join(parts: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
