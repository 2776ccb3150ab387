/**
 * The low-delay picture: WebCodecs straight to a canvas, without the buffer of a media element (18 ms against 100 ms from
 * server to screen, measured; docs/design/player.md). Each picture is drawn as soon as it is decoded, so a stuttering
 * line stutters on the screen: people choose this, it is not the default.
 *
 *   run ──► waiting for a sync sample ──► catching up (the GOP so far, at once) ──caught up──► following
 *                     ▲                                                                          │
 *                     └──────────── too many or too old in the decoder; decoder failed ◄─────────┘
 *
 * With sound (low-delay-sound.ts) each picture waits until its sound is heard. Sound that is more than a second late counts
 * as missing: the picture does not wait for it.
 */
import { compositionOffset, decoderDescription, mediaData } from "./boxes";
import { Failures } from "./failures";
import { dueIndex, mayDecode } from "./picture-queue";
import { MediaOrigin, WallMap } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

const QUEUE_LIMIT = 10;
/** Pictures that are older than this when they leave the decoder show that it cannot keep up. */
const LATE_BEYOND_S = 0.6;
const CATCH_UP_MS = 2500;
/** Decoded pictures are large; a decoder in hardware has a few dozen in all. */
const MOST_HELD = 16;
const MOST_FAILURES = 3;
const FORGET_FAILURES_MS = 10_000;
/** A decoder that takes pictures and gives none for so long cannot read them, though it does not say so. */
const SILENT_MS = 5000;

export function isLowDelayAvailable(): boolean {
  return "VideoDecoder" in globalThis;
}

export interface LowDelayOptions {
  readonly onPicture?: (() => void) | undefined;
  /** The decoder refuses this stream: use the media element instead. */
  readonly onUnsupported: () => void;
  /** Media seconds of the sound that is heard now; null while there is none. */
  readonly heardS?: (() => number | null) | undefined;
}

export class LowDelayPlayer {
  readonly origin = new MediaOrigin();
  readonly wall = new WallMap(30);
  private decoder: VideoDecoder | null = null;
  private run: Run | null = null;
  private needsSync = true;
  private isPaused = false;
  private shownS = 0;
  private edgeS = 0;
  private decodedS = 0;
  private catchUpUntilMs = 0;
  /** Not decoded yet, because their sound is not heard for a while. */
  private coded: EncodedVideoChunk[] = [];
  private held: VideoFrame[] = [];
  private drawRequest = 0;
  private hasDrawn = false;
  private readonly failures = new Failures(MOST_FAILURES, FORGET_FAILURES_MS);
  /** Since when the decoder has been given pictures and gave none. */
  private silentSinceMs: number | null = null;
  private context: CanvasRenderingContext2D | null = null;
  /** Pictures left out so far, to keep up. */
  dropped = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly options: LowDelayOptions,
  ) {}

  startRun(run: Run): void {
    const description = decoderDescription(run.init);
    if (!description) {
      this.options.onUnsupported();
      return;
    }
    this.run = run;
    this.needsSync = true;
    this.coded = [];
    this.silentSinceMs = null;
    this.decoder ??= new VideoDecoder({ output: (picture) => this.take(picture), error: () => this.fail() });
    this.decoder.configure({
      codec: run.codec,
      description,
      optimizeForLatency: true,
      hardwareAcceleration: "no-preference",
    });
  }

  push(frame: MediaFrame): void {
    const { run } = this;
    if (!run || this.decoder?.state !== "configured") return;
    if (this.isTooLate()) this.needsSync = true;
    if (this.needsSync && !frame.isSync) {
      this.dropped += 1;
      return;
    }
    if (this.needsSync) this.begin(run);
    const data = mediaData(frame.chunk);
    if (!data) return;
    this.edgeS = this.origin.secondsAt(run, frame.decodeTime + compositionOffset(frame.chunk));
    this.wall.add(this.edgeS, frame);
    const type = frame.isSync ? "key" : "delta";
    this.coded.push(new EncodedVideoChunk({ type, timestamp: Math.round(this.edgeS * 1e6), data }));
    this.feed();
    if (this.silentSinceMs !== null && performance.now() - this.silentSinceMs > SILENT_MS) this.options.onUnsupported();
  }

  get delayS(): number {
    return this.hasDrawn ? Math.max(0, this.edgeS - this.shownS) : 0;
  }

  get wallUs(): number | null {
    return this.hasDrawn ? this.wall.wallUsAt(this.shownS) : null;
  }

  pause(): void {
    this.isPaused = true;
    this.letGo(this.held.length);
  }

  resume(): void {
    this.isPaused = false;
  }

  interrupt(): void {
    this.needsSync = true;
  }

  close(): void {
    cancelAnimationFrame(this.drawRequest);
    this.letGo(this.held.length);
    this.coded = [];
    this.run = null;
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
  }

  /**
   * The GOP sent at the join comes at once and may fill the queue; it is decoded fast and not dropped. After that, a queue
   * or a lateness that grows will go on growing.
   */
  private isTooLate(): boolean {
    if (performance.now() < this.catchUpUntilMs) return false;
    return this.decoder!.decodeQueueSize > QUEUE_LIMIT || (this.decoder!.decodeQueueSize > 1 && this.edgeS - this.decodedS > LATE_BEYOND_S);
  }

  private feed(): void {
    const heardS = this.options.heardS?.() ?? null;
    while (this.coded.length > 0 && mayDecode(this.coded[0]!.timestamp / 1e6, heardS)) this.decode(this.coded.shift()!);
    if (this.coded.length > 0) this.planDraw();
  }

  private decode(chunk: EncodedVideoChunk): void {
    if (this.decoder?.state !== "configured") return;
    this.silentSinceMs ??= performance.now();
    try {
      this.decoder.decode(chunk);
    } catch {
      this.fail(); // what claims to be a sync sample is none
    }
  }

  private planDraw(): void {
    this.drawRequest ||= requestAnimationFrame(() => this.draw());
  }

  /** At a sync sample. What an overwhelmed decoder still has before it is not worth its time. */
  private begin(run: Run): void {
    if (this.decoder!.decodeQueueSize > QUEUE_LIMIT) {
      this.dropped += this.decoder!.decodeQueueSize;
      this.decoder!.reset();
      this.startRun(run);
    }
    this.needsSync = false;
    this.catchUpUntilMs = performance.now() + CATCH_UP_MS;
  }

  private take(picture: VideoFrame): void {
    this.silentSinceMs = null;
    this.decodedS = picture.timestamp / 1e6;
    if (this.decoder && this.decoder.decodeQueueSize <= 1) this.catchUpUntilMs = 0;
    if (this.isPaused) {
      picture.close();
      return;
    }
    this.held.push(picture);
    this.letGo(this.held.length - MOST_HELD);
    this.planDraw();
  }

  private draw(): void {
    this.drawRequest = 0;
    const times = this.held.map((picture) => picture.timestamp / 1e6);
    const due = dueIndex(times, this.options.heardS?.() ?? null);
    if (due >= 0) {
      this.letGo(due);
      this.paint(this.held.shift()!);
    }
    this.feed();
    if (this.held.length > 0) this.planDraw();
  }

  private paint(picture: VideoFrame): void {
    if (this.canvas.width !== picture.displayWidth) this.canvas.width = picture.displayWidth;
    if (this.canvas.height !== picture.displayHeight) this.canvas.height = picture.displayHeight;
    this.context ??= this.canvas.getContext("2d", { alpha: false, desynchronized: true });
    this.context?.drawImage(picture, 0, 0);
    this.shownS = picture.timestamp / 1e6;
    picture.close();
    if (!this.hasDrawn) this.options.onPicture?.();
    this.hasDrawn = true;
  }

  private letGo(count: number): void {
    if (count > 0) for (const picture of this.held.splice(0, count)) picture.close();
  }

  /** A damaged picture closes a decoder for good; a fresh one goes on at the next sync sample, unless it fails again and again. */
  private fail(): void {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    this.silentSinceMs = null;
    if (!this.failures.note() && this.run) this.startRun(this.run);
    else this.options.onUnsupported();
  }
}
