/**
 * The low-delay picture: WebCodecs straight to a canvas, without the buffer of a media element (18 ms against 100 ms from
 * server to screen, measured; docs/design/player.md). Each picture is drawn as soon as it is decoded, so a stuttering
 * line stutters on the screen: people choose this, it is not the default.
 *
 * A machine that cannot keep up would fall seconds behind, so a growing decode queue is dropped to the next sync sample.
 */
import { compositionOffset, decoderDescription, mediaData } from "./boxes";
import { MediaOrigin, WallMap } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

const QUEUE_LIMIT = 10;

export function isLowDelayAvailable(): boolean {
  return "VideoDecoder" in globalThis;
}

export interface LowDelayOptions {
  readonly onPicture?: (() => void) | undefined;
  /** The decoder refuses this stream: use the media element instead. */
  readonly onUnsupported: () => void;
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
  private pending: VideoFrame | null = null;
  private drawRequest = 0;
  private hasDrawn = false;

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
    this.decoder ??= new VideoDecoder({
      output: (picture) => this.show(picture),
      error: () => this.fail(),
    });
    this.decoder.configure({
      codec: run.codec,
      description,
      optimizeForLatency: true,
      hardwareAcceleration: "no-preference",
    });
  }

  push(frame: MediaFrame): void {
    const { run, decoder } = this;
    if (!run || decoder?.state !== "configured") return;
    if (decoder.decodeQueueSize > QUEUE_LIMIT && !this.isBurst(frame)) this.needsSync = true;
    if (this.needsSync && !frame.isSync) return;
    if (this.needsSync && decoder.decodeQueueSize > QUEUE_LIMIT) this.reset(run);
    this.needsSync = false;
    const data = mediaData(frame.chunk);
    if (!data) return;
    this.edgeS = this.origin.secondsAt(run, frame.decodeTime + compositionOffset(frame.chunk));
    this.wall.add(this.edgeS, frame);
    decoder.decode(
      new EncodedVideoChunk({ type: frame.isSync ? "key" : "delta", timestamp: Math.round(this.edgeS * 1e6), data }),
    );
  }

  get delayS(): number {
    return this.hasDrawn ? Math.max(0, this.edgeS - this.shownS) : 0;
  }

  get wallUs(): number | null {
    return this.hasDrawn ? this.wall.wallUsAt(this.shownS) : null;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  interrupt(): void {
    this.needsSync = true;
  }

  close(): void {
    cancelAnimationFrame(this.drawRequest);
    this.pending?.close();
    this.pending = null;
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
  }

  /** The GOP sent at the join comes at once and may fill the queue; it is decoded fast and not dropped. */
  private isBurst(frame: MediaFrame): boolean {
    return !this.hasDrawn || frame.wallUs < Date.now() * 1000 - 5e6;
  }

  private reset(run: Run): void {
    this.decoder?.reset();
    this.startRun(run);
  }

  private show(picture: VideoFrame): void {
    if (this.isPaused) {
      picture.close();
      return;
    }
    this.pending?.close();
    this.pending = picture;
    this.drawRequest ||= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.drawRequest = 0;
    const picture = this.pending;
    this.pending = null;
    if (!picture) return;
    if (this.canvas.width !== picture.displayWidth) this.canvas.width = picture.displayWidth;
    if (this.canvas.height !== picture.displayHeight) this.canvas.height = picture.displayHeight;
    this.canvas.getContext("2d", { alpha: false, desynchronized: true })?.drawImage(picture, 0, 0);
    this.shownS = picture.timestamp / 1e6;
    picture.close();
    if (!this.hasDrawn) this.options.onPicture?.();
    this.hasDrawn = true;
  }

  private fail(): void {
    this.decoder = null;
    this.options.onUnsupported();
  }
}
