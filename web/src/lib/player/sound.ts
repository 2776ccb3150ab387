/**
 * Sound beside a picture: an audio element with a media source of its own.
 *
 * Decision (docs/design/player.md): one media source with both tracks would stall the picture whenever sound is missing,
 * and filling holes with silence needs an encoder per sound format. Two elements share one media time (wall-map.ts); this
 * one follows the picture's position by tiny changes of speed, and jumps when it is more than a quarter second off.
 */
import { type AttachedSource, attachSource, canPlay } from "./media-source";
import { Track } from "./track";
import type { MediaOrigin } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

const STEP_MS = 100;
const JUMP_BEYOND_S = 0.25;
/** Half a picture; corrections below two per cent of speed are not heard. */
const CLOSE_ENOUGH_S = 0.015;

/** How fast sound should play to meet the picture: `driftS` is the picture's position minus the sound's. */
export function followRate(pictureRate: number, driftS: number): number {
  if (Math.abs(driftS) < CLOSE_ENOUGH_S) return pictureRate;
  return pictureRate * (1 + Math.max(-0.06, Math.min(0.06, driftS)));
}

export class SoundPlayer {
  private attached: AttachedSource | null = null;
  private track: Track | null = null;
  private run: Run | null = null;
  private edge: number | null = null;
  private edgeArrivedMs = 0;
  private readonly timer: ReturnType<typeof setInterval>;
  private steps = 0;

  constructor(
    private readonly audio: HTMLAudioElement,
    private readonly picture: HTMLVideoElement,
    private readonly origin: MediaOrigin,
  ) {
    this.timer = setInterval(() => this.step(), STEP_MS);
  }

  startRun(run: Run): void {
    if (!canPlay(run.codec)) return;
    this.run = run;
    if (!this.attached) this.attach();
    this.track!.startRun(run.codec, this.origin.timestampOffset(run), run.init);
  }

  push(frame: MediaFrame): void {
    if (!this.run || !this.track) return;
    this.track.append(frame.chunk);
    this.edge = this.origin.secondsAt(this.run, frame.decodeTime);
    this.edgeArrivedMs = performance.now();
  }

  /** Media seconds of the newest sound; null when none came for two seconds. */
  get edgeS(): number | null {
    return performance.now() - this.edgeArrivedMs < 2000 ? this.edge : null;
  }

  /** Forgets what is buffered: the picture jumps somewhere else. */
  clear(): void {
    this.track?.clear();
    this.edge = null;
  }

  close(): void {
    clearInterval(this.timer);
    this.track?.close();
    this.audio.pause();
    this.attached?.detach();
    this.attached = null;
  }

  private attach(): void {
    this.attached = attachSource(this.audio, "sound");
    this.track = new Track(this.attached.source, this.audio, { keepBehindS: 20, onBroken: () => this.restart() });
  }

  /** Sound that breaks starts again with its next run; the picture is not touched. */
  private restart(): void {
    const run = this.run;
    this.track?.close();
    this.attached?.detach();
    this.attached = null;
    this.track = null;
    if (run) this.startRun(run);
  }

  private step(): void {
    this.steps += 1;
    if (!this.track) return;
    if (this.steps % 50 === 0) this.track.trim();
    const isPictureMoving = !this.picture.paused && !this.picture.seeking && this.picture.readyState >= 2;
    if (!isPictureMoving || this.picture.playbackRate > 2) {
      this.audio.pause();
      return;
    }
    const positionS = this.picture.currentTime;
    if (!this.isBuffered(positionS)) return; // nothing to play here; the picture goes on
    const driftS = positionS - this.audio.currentTime;
    if (Math.abs(driftS) > JUMP_BEYOND_S && !this.audio.seeking) this.audio.currentTime = positionS;
    this.audio.playbackRate = followRate(this.picture.playbackRate, driftS);
    if (this.audio.paused) this.audio.play().catch(() => undefined); // needs a gesture first: the sound switch is one
  }

  private isBuffered(positionS: number): boolean {
    const buffered = this.track?.buffered;
    if (!buffered) return false;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= positionS && positionS < buffered.end(i)) return true;
    }
    return false;
  }
}
