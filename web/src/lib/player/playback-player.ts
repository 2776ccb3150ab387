/**
 * A recorded picture in a video element: plays, steps and shows key frames while a finger moves along the timeline.
 *
 * Media time is wall time less a constant (wall-map.ts), so gaps are real holes in the buffer; they are skipped when the
 * position reaches one, and `onGap` has told why by then.
 */
import { claimDuration, compositionOffset } from "./boxes";
import { type AttachedSource, attachSource } from "./media-source";
import type { SoundPlayer } from "./sound";
import { Track } from "./track";
import { MediaOrigin, WallMap } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

/** Up to here all pictures come; above, key frames only. */
export const ALL_PICTURES_UP_TO = 4;
/** Key frames alone must bridge the distance to the next: ten-second GOPs exist ("smart codecs"). */
const KEY_FRAME_CLAIM_S = 12;
const STEP_MS = 100;

export interface PlaybackPlayerOptions {
  readonly onPicture?: (() => void) | undefined;
  readonly onBroken: () => void;
  readonly onPosition: (wallUs: number) => void;
}

export class PlaybackPlayer {
  readonly origin = new MediaOrigin();
  private readonly wall = new WallMap(1800);
  private attached: AttachedSource | null = null;
  private track: Track | null = null;
  private run: Run | null = null;
  private sound: SoundPlayer | null = null;
  private seekToUs: number | null = null;
  private isPaused = false;
  private speedNow = 1;
  private steps = 0;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly options: PlaybackPlayerOptions,
  ) {
    video.muted = true;
    video.playsInline = true;
    this.timer = setInterval(() => this.step(), STEP_MS);
  }

  useSound(sound: SoundPlayer | null): void {
    this.sound = sound;
  }

  /** What is buffered is forgotten; the next chunks answer a jump to `atUs`. */
  expect(atUs: number): void {
    this.seekToUs = atUs;
    this.run = null;
    this.wall.clear();
    this.track?.clear();
    this.sound?.clear();
  }

  startRun(run: Run): void {
    this.run = run;
    if (!this.attached) this.attach();
    this.track!.startRun(run.codec, this.origin.timestampOffset(run), run.init);
  }

  push(frame: MediaFrame): void {
    const { run, track } = this;
    if (!run || !track) return;
    const mediaS = this.origin.secondsAt(run, frame.decodeTime + compositionOffset(frame.chunk));
    const claimS = this.speedNow > ALL_PICTURES_UP_TO ? KEY_FRAME_CLAIM_S : 1;
    claimDuration(frame.chunk, claimS * run.timescale);
    this.wall.add(mediaS, frame);
    track.append(frame.chunk);
    if (this.seekToUs !== null) this.arrive(mediaS, frame.wallUs, this.seekToUs);
  }

  /** Shows one key frame and stays on it. */
  show(run: Run, frame: MediaFrame): void {
    this.pause();
    this.expect(frame.wallUs);
    this.startRun(run);
    this.push(frame);
  }

  set speed(speed: number) {
    this.speedNow = speed;
    this.video.playbackRate = speed;
  }

  play(): void {
    this.isPaused = false;
    this.video.playbackRate = this.speedNow;
    this.video.play().catch(() => undefined); // a removed element rejects
  }

  pause(): void {
    this.isPaused = true;
    this.video.pause();
  }

  /** Goes to the picture before or after this one; false at the end of what is buffered. */
  stepPicture(step: -1 | 1): boolean {
    this.pause();
    const toS = this.wall.neighbour(this.video.currentTime, step);
    if (toS === null) return false;
    this.video.currentTime = toS + 0.0005; // inside the picture, not on the rounded border of the one before
    return true;
  }

  get wallUs(): number | null {
    return this.seekToUs ?? this.wall.wallUsAt(this.video.currentTime);
  }

  close(): void {
    clearInterval(this.timer);
    this.track?.close();
    this.attached?.detach();
    this.attached = null;
  }

  private attach(): void {
    this.attached = attachSource(this.video, "recording");
    this.track = new Track(this.attached.source, this.video, { keepBehindS: 30, onBroken: () => this.options.onBroken() });
  }

  /** First picture after a jump: decoding starts at its sync sample, showing at the moment that was asked for. */
  private arrive(mediaS: number, wallUs: number, atUs: number): void {
    this.seekToUs = null;
    this.video.currentTime = mediaS + Math.max(0, (atUs - wallUs) / 1e6) + 0.0005;
    this.video.addEventListener("seeked", () => this.options.onPicture?.(), { once: true });
    if (!this.isPaused) this.play();
  }

  private step(): void {
    this.steps += 1;
    if (!this.track || this.seekToUs !== null) return;
    if (this.steps % 50 === 0) this.track.trim();
    const wallUs = this.wallUs;
    if (wallUs !== null && this.steps % 3 === 0) this.options.onPosition(wallUs);
    if (!this.isPaused) this.skipHole();
  }

  /** A position outside every buffered range, with media further on: nothing was recorded here. */
  private skipHole(): void {
    const buffered = this.track?.buffered;
    if (!buffered || this.video.seeking) return;
    const positionS = this.video.currentTime;
    for (let i = 0; i < buffered.length; i += 1) {
      const isInside = positionS >= buffered.start(i) - 0.01 && positionS < buffered.end(i) - 0.05;
      if (isInside) return;
      if (buffered.start(i) > positionS) {
        this.video.currentTime = buffered.start(i) + 0.0005;
        return;
      }
    }
  }
}
