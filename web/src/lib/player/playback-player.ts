/**
 * A recorded picture in a video element: plays, steps and shows key frames while a finger moves along the timeline.
 *
 * Media time is wall time less a constant (wall-map.ts), so gaps are real holes in the buffer; they are skipped when the
 * position reaches one.
 *
 * A live chunk claims to last a second. A browser that seeks shows the first picture that lasts until the moment asked for,
 * so with that claim it shows one up to a second too early. Here the next chunk comes at once: each waits for it and then
 * claims the true distance.
 */
import { claimDuration, compositionOffset } from "./boxes";
import { type AttachedSource, attachSource } from "./media-source";
import type { SoundPlayer } from "./sound";
import { Track } from "./track";
import { MediaOrigin, WallMap } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

/** What the last picture before a hole or the end claims to last. */
const LAST_CLAIM_S = 1;
/** Key frames sent alone must bridge the distance to the next: ten-second GOPs exist ("smart codecs"). */
const LONGEST_CLAIM_S = 12;
const STEP_MS = 100;
/** Pictures that came so long ago and are not shown are not being decoded. */
const SHOWN_WITHIN_MS = 6000;

export interface PlaybackPlayerOptions {
  readonly onPicture?: (() => void) | undefined;
  readonly onBroken: () => void;
  /** Pictures came, and none of them reached the screen. */
  readonly onUnreadable: () => void;
  readonly onPosition: (wallUs: number) => void;
}

export class PlaybackPlayer {
  readonly origin = new MediaOrigin();
  private readonly wall = new WallMap(1800);
  private attached: AttachedSource | null = null;
  private track: Track | null = null;
  /** The run whose chunks come, and the one whose chunks go into the buffer: the same but for a moment. */
  private run: Run | null = null;
  private appending: Run | null = null;
  /** The buffer was told of it: together with its first chunk, for each operation of a buffer is a wait. */
  private isBegun = false;
  /** Decode time of the last picture of each run since the last jump. */
  private readonly lastOf = new Map<string, number>();
  private waiting: MediaFrame | null = null;
  private sound: SoundPlayer | null = null;
  private seekToUs: number | null = null;
  private isSparse = false;
  private isComplete = false;
  private isPaused = false;
  private speedNow = 1;
  private steps = 0;
  /** Media time of the picture that is really on the screen: a browser may show the next one some milliseconds early. */
  private shownS: number | null = null;
  private pictureRequest = 0;
  private arrivedAtMs: number | null = null;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly options: PlaybackPlayerOptions,
  ) {
    video.muted = true;
    video.playsInline = true;
    this.timer = setInterval(() => this.step(), STEP_MS);
    this.followPictures();
  }

  useSound(sound: SoundPlayer | null): void {
    this.sound = sound;
  }

  /** What is buffered is forgotten; the next chunks answer a jump to `atUs`. */
  expect(atUs: number, isSparse = false): void {
    this.seekToUs = atUs;
    this.isSparse = isSparse;
    this.isComplete = false;
    this.arrivedAtMs = null;
    this.run = this.appending = null;
    this.waiting = null;
    this.lastOf.clear();
    this.shownS = null;
    this.wall.clear();
    this.track?.clear();
    this.sound?.clear();
  }

  /**
   * Goes there if it is here already; else nothing happens and the server must be asked. Not among key frames alone: the
   * others are missing there.
   */
  jump(atUs: number): boolean {
    const mediaS = this.isSparse || this.seekToUs !== null ? null : this.wall.mediaSAt(atUs);
    if (mediaS === null || !this.isBuffered(mediaS)) return false;
    this.goTo(mediaS);
    return true;
  }

  startRun(run: Run): void {
    this.run = run;
    if (!this.attached) this.attach();
  }

  push(frame: MediaFrame): void {
    const { run } = this;
    if (!run || this.isHere(run, frame)) return;
    if (run.id !== this.appending?.id) this.begin(run);
    else if (this.waiting) this.appendWaiting(frame.decodeTime - this.waiting.decodeTime);
    this.waiting = frame;
    const mediaS = this.origin.secondsAt(run, frame.decodeTime + compositionOffset(frame.chunk));
    this.wall.add(mediaS, frame);
    if (this.seekToUs !== null) this.arrive(mediaS, frame.wallUs, this.seekToUs);
  }

  /** No further chunk follows the last one: it goes in as it is. `isComplete`: nor will any later one. */
  flush(isComplete = false): void {
    this.isComplete = isComplete;
    if (this.appending) this.appendWaiting(LAST_CLAIM_S * this.appending.timescale);
  }

  /** Shows one key frame and stays on it. */
  show(run: Run, frame: MediaFrame): void {
    this.pause();
    this.expect(frame.wallUs, true);
    this.startRun(run);
    this.push(frame);
    this.flush();
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
    const toS = this.wall.neighbour(this.shownS ?? this.video.currentTime, step);
    if (toS === null) return false;
    this.video.currentTime = toS + 0.0005; // inside the picture, not on the rounded border of the one before
    return true;
  }

  /** Something to show has arrived since the last jump. */
  get hasPicture(): boolean {
    return this.seekToUs === null;
  }

  /** Everything that is here was shown. */
  get isStarved(): boolean {
    return this.video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  }

  get wallUs(): number | null {
    return this.seekToUs ?? this.wall.wallUsAt(this.video.currentTime);
  }

  close(): void {
    clearInterval(this.timer);
    if (this.pictureRequest) this.video.cancelVideoFrameCallback(this.pictureRequest);
    this.track?.close();
    this.attached?.detach();
    this.attached = null;
  }

  private followPictures(): void {
    if (!("requestVideoFrameCallback" in this.video)) return;
    this.pictureRequest = this.video.requestVideoFrameCallback((_, picture) => {
      this.shownS = picture.mediaTime;
      this.followPictures();
    });
  }

  /**
   * After a line was lost the server begins at the sync sample before the position. What comes a second time would take its
   * own place in the buffer, and everything up to the next sync sample with it: a hole right where somebody is looking.
   */
  private isHere(run: Run, frame: MediaFrame): boolean {
    const last = this.lastOf.get(run.id);
    if (last !== undefined && frame.decodeTime <= last) return true;
    this.lastOf.set(run.id, frame.decodeTime);
    return false;
  }

  private begin(run: Run): void {
    this.flush();
    this.appending = run;
    this.isBegun = false;
  }

  private appendWaiting(ticks: number): void {
    const { appending, waiting, track } = this;
    this.waiting = null;
    if (!appending || !waiting || !track) return;
    claimDuration(waiting.chunk, Math.max(1, Math.min(LONGEST_CLAIM_S * appending.timescale, ticks)));
    if (this.isBegun) track.append(waiting.chunk);
    else track.startRun(appending.codec, this.origin.timestampOffset(appending), appending.init, waiting.chunk);
    this.isBegun = true;
  }

  private attach(): void {
    this.attached = attachSource(this.video, "recording");
    this.track = new Track(this.attached.source, this.video, { keepBehindS: 30, onBroken: () => this.options.onBroken() });
  }

  /** First picture after a jump: decoding starts at its sync sample, showing at the moment that was asked for. */
  private arrive(mediaS: number, wallUs: number, atUs: number): void {
    this.seekToUs = null;
    this.goTo(mediaS + Math.max(0, (atUs - wallUs) / 1e6));
    if (!this.isPaused) this.play();
  }

  private goTo(mediaS: number): void {
    this.video.currentTime = mediaS + 0.0005; // inside the picture, not on the rounded border of the one before
    this.arrivedAtMs = performance.now();
    this.video.addEventListener("seeked", () => this.shown(), { once: true });
  }

  private isBuffered(mediaS: number, marginS = 0.2): boolean {
    const buffered = this.track?.buffered;
    for (let i = 0; i < (buffered?.length ?? 0); i += 1) {
      if (buffered!.start(i) <= mediaS && mediaS < buffered!.end(i) - marginS) return true;
    }
    return false;
  }

  private shown(): void {
    this.arrivedAtMs = null;
    this.options.onPicture?.();
  }

  private step(): void {
    this.steps += 1;
    if (this.arrivedAtMs !== null) this.leaveHole();
    if (this.arrivedAtMs !== null && !document.hidden && performance.now() - this.arrivedAtMs > SHOWN_WITHIN_MS) {
      this.arrivedAtMs = null;
      this.options.onUnreadable();
      return;
    }
    if (!this.track || this.seekToUs !== null || this.arrivedAtMs !== null) return;
    if (this.steps % 50 === 0) this.track.trim();
    const wallUs = this.wallUs;
    if (wallUs !== null && this.steps % 3 === 0) this.options.onPosition(wallUs);
    if (!this.isPaused) this.skipHole();
  }

  /**
   * A jump to where nothing is: between the last picture before a gap and the first behind it, or just after the last one of
   * all. What is here comes in order, so where the next picture is buffered and the position is not, it never will be.
   */
  private leaveHole(): void {
    const positionS = this.video.currentTime;
    const toS = this.wall.neighbour(positionS, 1) ?? (this.isComplete ? this.wall.neighbour(positionS, 0) : null);
    if (toS === null || this.isBuffered(positionS, 0) || !this.isBuffered(toS, 0)) return;
    this.video.currentTime = toS + 0.0005;
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
