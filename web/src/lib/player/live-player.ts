/**
 * A live picture in a video element, through Media Source Extensions.
 *
 *   empty ──run──► filling (burst of the current GOP) ──15 ms of quiet──► playing near the edge
 *     ▲                                                                        │
 *     ├───────── SourceBuffer broken, or pictures come and none is shown: ◄────┘
 *     │                    fresh media source, new ticket
 *     └─► three times in half a minute, or never a picture: unreadable, and somebody else's to say
 *
 * Sound has a media element of its own (sound.ts): a video element with a silent audio buffer would stall, and the picture
 * never waits for sound.
 */
import { claimDuration, compositionOffset } from "./boxes";
import { Failures } from "./failures";
import { holdEdge, JitterTarget, movingEdge, trail } from "./live-edge";
import { type AttachedSource, attachSource, hasMediaSource } from "./media-source";
import { Track } from "./track";
import { MediaOrigin, WallMap } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

const BURST_QUIET_MS = 15;
const BURST_LONGEST_MS = 150;
const KEEP_BEHIND_S = 30;
const STEP_MS = 100;
/** Pictures that arrive for so long while the screen stands still are not being decoded. */
const STILL_MS = 5000;
const MOST_FAILURES = 3;
const FORGET_FAILURES_MS = 30_000;

export interface LivePlayerOptions {
  /** The first picture is on the screen. */
  readonly onPicture?: (() => void) | undefined;
  /** The buffer broke: subscribe again, a fresh source waits. */
  readonly onBroken?: (() => void) | undefined;
  /** Pictures arrive, and whatever was tried none reaches the screen. Nothing more happens until the next run. */
  readonly onUnreadable?: (() => void) | undefined;
  /** Where the newest sound is, in media seconds, so that the picture leaves it time to arrive; null without sound. */
  readonly soundEdgeS?: (() => number | null) | undefined;
}

export class LivePlayer {
  readonly origin = new MediaOrigin();
  readonly wall = new WallMap(120);
  private readonly jitter = new JitterTarget();
  private attached: AttachedSource | null = null;
  private track: Track | null = null;
  private run: Run | null = null;
  private edgeS = Number.NEGATIVE_INFINITY;
  private edgeArrivedMs = 0;
  private intervalS = 0;
  private needsSync = true;
  private isStarted = false;
  private isPaused = false;
  private burstTimer: ReturnType<typeof setTimeout> | undefined;
  private burstStartedMs = 0;
  private readonly stepTimer: ReturnType<typeof setInterval>;
  private steps = 0;
  private readonly failures = new Failures(MOST_FAILURES, FORGET_FAILURES_MS);
  private decoded = 0;
  private stillSinceMs = performance.now();
  private hasShown = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly options: LivePlayerOptions = {},
  ) {
    video.muted = true;
    video.playsInline = true;
    this.stepTimer = setInterval(() => this.step(), STEP_MS);
    if (hasMediaSource()) this.attach(); // the media source opens while ticket and first pictures are still on their way
  }

  /** A new run: its chunks follow. */
  startRun(run: Run): void {
    this.run = run;
    this.needsSync = true;
    if (!this.attached) this.attach();
    this.track!.startRun(run.codec, this.origin.timestampOffset(run), run.init);
  }

  push(frame: MediaFrame): void {
    const run = this.run;
    if (!run || !this.track) return;
    if (!this.attached!.wantsData()) this.needsSync = true;
    if (this.needsSync && !frame.isSync) return;
    this.needsSync = false;
    const mediaS = this.origin.secondsAt(run, frame.decodeTime + compositionOffset(frame.chunk));
    this.wall.add(mediaS, frame);
    this.intervalS = Math.max(0, mediaS - this.edgeS);
    this.edgeS = mediaS;
    this.edgeArrivedMs = performance.now();
    claimDuration(frame.chunk, run.timescale); // one second, whatever the writer knew when it wrote the chunk
    this.track.append(frame.chunk);
    if (this.isStarted) this.jitter.arrived(mediaS, performance.now() / 1000);
    else this.extendBurst(mediaS);
  }

  /** Seconds between the picture on the screen and the newest one here. */
  get delayS(): number {
    return this.isStarted ? Math.max(0, this.edgeS - this.video.currentTime) : 0;
  }

  get wallUs(): number | null {
    return this.isStarted ? this.wall.wallUsAt(this.video.currentTime) : null;
  }

  pause(): void {
    this.isPaused = true;
    this.video.pause();
  }

  /** Goes on at the live edge. */
  resume(): void {
    this.isPaused = false;
    if (!this.isStarted) return;
    this.seek(this.edgeS - this.targetS);
    this.play();
  }

  /** The stream is gone for now: the last picture stays on the screen and the next run starts afresh. */
  interrupt(): void {
    this.needsSync = true;
    this.jitter.reset();
  }

  close(): void {
    clearInterval(this.stepTimer);
    clearTimeout(this.burstTimer);
    this.track?.close();
    this.attached?.detach();
    this.attached = null;
  }

  private attach(): void {
    this.attached = attachSource(this.video, "live", (wants) => {
      if (!wants) this.needsSync = true;
    });
    this.track = new Track(this.attached.source, this.video, {
      keepBehindS: KEEP_BEHIND_S,
      onBroken: () => this.restart(),
    });
  }

  private restart(isWorthwhile = true): void {
    this.track?.close();
    this.attached?.detach();
    this.attached = null;
    this.track = null;
    this.run = null;
    this.stillSinceMs = performance.now();
    this.isStarted = false;
    this.origin.reset();
    this.wall.clear();
    this.jitter.reset();
    if (this.failures.note() || !isWorthwhile) this.options.onUnreadable?.();
    else this.options.onBroken?.();
  }

  private extendBurst(mediaS: number): void {
    if (this.burstTimer === undefined) {
      this.burstStartedMs = performance.now();
      this.seek(mediaS); // the sync sample is on the screen while the rest of the GOP arrives
      this.video.addEventListener("loadeddata", () => this.showed(), { once: true });
    }
    clearTimeout(this.burstTimer);
    const left = BURST_LONGEST_MS - (performance.now() - this.burstStartedMs);
    this.burstTimer = setTimeout(() => this.start(), Math.max(0, Math.min(BURST_QUIET_MS, left)));
  }

  private showed(): void {
    this.hasShown = true;
    this.options.onPicture?.();
  }

  private start(): void {
    this.burstTimer = undefined;
    this.isStarted = true;
    this.seek(Math.max(this.video.currentTime, this.edgeS - this.targetS));
    if (!this.isPaused) this.play();
  }

  private get targetS(): number {
    const soundEdgeS = this.options.soundEdgeS?.() ?? null;
    const forSound = soundEdgeS === null ? 0 : this.edgeS - soundEdgeS + 0.12;
    return trail(this.jitter.targetS, this.intervalS, forSound);
  }

  private step(): void {
    this.steps += 1;
    this.watchScreen();
    if (!this.isStarted || this.isPaused || !this.track) return;
    if (this.steps % 50 === 0) this.track.trim();
    const edgeS = movingEdge(this.edgeS, this.intervalS, (performance.now() - this.edgeArrivedMs) / 1000);
    const correction = holdEdge(this.video.currentTime, edgeS, this.targetS);
    if (correction.kind === "seek") {
      if (this.maySeek()) this.seek(correction.toS);
    } else if (this.video.playbackRate !== correction.rate) {
      this.video.playbackRate = correction.rate;
    }
    if (this.video.paused) this.play();
  }

  /** A decoder may be silent about what it cannot read. A page that nobody sees need not decode at all. */
  private watchScreen(): void {
    const nowMs = performance.now();
    const { totalVideoFrames } = this.video.getVideoPlaybackQuality();
    const isExpected = this.run !== null && !this.isPaused && !document.hidden && nowMs - this.edgeArrivedMs < 1000;
    if (!isExpected || totalVideoFrames !== this.decoded) {
      this.decoded = totalVideoFrames;
      this.stillSinceMs = nowMs;
    } else if (nowMs - this.stillSinceMs > STILL_MS) {
      this.restart(this.hasShown); // a stream that never gave a picture gives none from the start again
    }
  }

  /**
   * Not while a seek is under way, unless it went where nothing is and nothing will come: a jump after a gap, decided when the
   * first picture behind the gap had come and was not appended yet, ends just before that picture and would wait for ever.
   */
  private maySeek(): boolean {
    const buffered = this.track?.buffered;
    if (!buffered?.length || buffered.end(buffered.length - 1) < this.edgeS) return false; // the edge is not appended yet
    return !this.video.seeking || !isInside(buffered, this.video.currentTime);
  }

  /** Never before what is buffered: after a gap the edge minus the delay may lie in the hole. */
  private seek(toS: number): void {
    const buffered = this.track?.buffered;
    const start = buffered?.length ? buffered.start(buffered.length - 1) : toS;
    this.video.currentTime = Math.max(toS, start);
  }

  private play(): void {
    this.video.play().catch(() => undefined); // a paused or removed element rejects; the next step tries again
  }
}

function isInside(ranges: TimeRanges, positionS: number): boolean {
  for (let i = 0; i < ranges.length; i += 1) if (ranges.start(i) <= positionS && positionS < ranges.end(i)) return true;
  return false;
}
