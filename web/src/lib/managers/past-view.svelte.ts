/**
 * The past of one channel on the camera page: play from a moment, scrub, step, speed.
 *
 *   idle ─seek─► loading ─picture─► playing ⇄ paused
 *                   ▲  scrub ► scrubbing ─release─► loading
 *                   └───────── line lost: asks again from where it is, and plays what is here meanwhile
 */
import type { Channel } from "../api/model";
import { canPlay, Failures, PlaybackPlayer, PlaybackSocket, type PlaybackEvent, type Run, SoundPlayer } from "../player";
import { playbackTicket, playbackUrl } from "./live";
import { now } from "./now.svelte";

export type PastStatus = "idle" | "loading" | "playing" | "paused" | "scrubbing" | "waiting" | "failed" | "unsupported" | "unreadable";
/** Above this speed the server sends key frames only. */
const ALL_PICTURES_UP_TO = 4;
export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16] as const;

/** A damaged place is tried again, then jumped over; a recording that is nothing but damage is given up. */
const MOST_FAILURES = 4;
const FORGET_FAILURES_MS = 30_000;
const OVER_DAMAGE_MS = 3000;

export interface PastElements {
  readonly video: HTMLVideoElement;
  readonly audio: HTMLAudioElement;
}

export interface PastOptions {
  /** The newest recorded picture was shown: nothing to wait for but the live picture. */
  readonly onEnd: () => void;
  readonly onPicture: () => void;
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly cause: string;
}

export class PastView {
  status = $state<PastStatus>("idle");
  /** Moment on the screen, milliseconds. */
  positionMs = $state<number | null>(null);
  speed = $state(1);
  isSoundOn = $state(false);
  refusal = $state<string | null>(null);
  /** Of the recording at the moment shown, as RFC 6381 names it. */
  codec = $state<string | null>(null);
  /** The hole that playback is jumping over, or has just jumped over. */
  gap = $state<Gap | null>(null);

  private player: PlaybackPlayer | null = null;
  private socket: PlaybackSocket | null = null;
  private sound: SoundPlayer | null = null;
  private elements: PastElements | null = null;
  private channel: Channel | null = null;
  private withSound = false;
  private hasEnded = false;
  private isLineLost = false;
  private readonly failures = new Failures(MOST_FAILURES, FORGET_FAILURES_MS);
  private stopListening: () => void = () => undefined;
  /** Holes told of since the last jump; they are told ahead of the picture. */
  private gaps: Gap[] = [];

  constructor(private readonly options: PastOptions) {}

  open(channel: Channel, elements: PastElements, withSound: boolean): void {
    this.close();
    Object.assign(this, { channel, elements, withSound });
    this.player = new PlaybackPlayer(elements.video, {
      onPicture: () => this.pictureShown(),
      onBroken: () => this.reopen(),
      onUnreadable: () => this.giveUp(),
      onPosition: (wallUs) => this.moved(wallUs),
    });
    this.socket = new PlaybackSocket({
      url: playbackUrl(),
      ticket: () => playbackTicket(channel.id, withSound ? ["main", "audio"] : ["main"]),
      listener: (event) => this.receive(event),
    });
    const { socket } = this;
    this.stopListening = now.whenAwake(() => socket.retryNow());
  }

  close(): void {
    this.turnSoundOff();
    this.stopListening();
    this.socket?.close();
    this.player?.close();
    this.socket = null;
    this.player = null;
    this.status = "idle";
    this.positionMs = null;
    this.refusal = null;
    this.gap = null;
    this.gaps = [];
    this.hasEnded = false;
    this.isLineLost = false;
  }

  /** Plays from that moment: at once if it is here, else the server is asked. */
  seek(ms: number): void {
    if (!this.player || !this.socket?.isPlaying || !this.player.jump(ms * 1000)) {
      this.load(ms);
      return;
    }
    this.positionMs = ms;
    this.gap = null;
    if (this.status === "paused") return;
    this.status = "loading";
    this.player.play();
  }

  private load(ms: number): void {
    if (!this.player || !this.socket) return;
    const isPaused = this.status === "paused";
    this.hasEnded = false;
    this.gap = null;
    this.gaps = [];
    this.positionMs = ms;
    this.status = "loading";
    this.player.speed = this.speed;
    this.player.expect(ms * 1000, this.speed > ALL_PICTURES_UP_TO);
    this.socket.play(ms * 1000, this.speed);
    if (isPaused) this.player.pause();
    else this.player.play();
  }

  /** Shows the key frame at that moment while the finger moves. */
  scrub(ms: number): void {
    this.openAgain();
    this.status = "scrubbing";
    this.positionMs = ms;
    this.player?.pause();
    this.socket?.scrub(ms * 1000);
  }

  /** The finger is up: play from where it was. */
  release(ms: number): void {
    this.openAgain();
    this.status = "loading";
    this.seek(ms);
  }

  pause(): void {
    this.player?.pause();
    this.status = "paused";
  }

  resume(): void {
    this.player?.play();
    this.status = "playing";
  }

  /** One picture back or on, paused. */
  step(direction: -1 | 1): void {
    if (!this.player || this.positionMs === null) return;
    this.status = "paused";
    if (this.player.stepPicture(direction)) return;
    // Before the first picture here: ask for the second before it, and stay paused at its end.
    if (direction === -1) this.seek(this.positionMs - 40);
  }

  setSpeed(speed: number): void {
    const wasSparse = this.speed > ALL_PICTURES_UP_TO;
    this.speed = speed;
    if (!this.player) return;
    this.player.speed = speed;
    // Key frames alone cannot be played slowly, nor everything sixteen times: the server sends other pictures.
    if (wasSparse !== speed > ALL_PICTURES_UP_TO && this.positionMs !== null) this.load(this.positionMs);
  }

  turnSoundOn(volume: number): void {
    if (!this.player || !this.elements || this.sound) return;
    this.elements.audio.volume = volume;
    this.sound = new SoundPlayer(this.elements.audio, this.elements.video, this.player.origin);
    this.player.useSound(this.sound);
    this.isSoundOn = true;
    if (this.positionMs !== null) this.load(this.positionMs);
  }

  turnSoundOff(): void {
    this.player?.useSound(null);
    this.sound?.close();
    this.sound = null;
    this.isSoundOn = false;
  }

  /** What could not be read may be followed by what can. */
  private openAgain(): void {
    if (!this.player && this.channel && this.elements) this.open(this.channel, this.elements, this.withSound);
  }

  private reopen(): void {
    const { positionMs, isSoundOn, status, elements } = this;
    if (positionMs === null || this.failures.note()) {
      this.giveUp();
      return;
    }
    this.close();
    this.openAgain();
    if (isSoundOn && elements) this.turnSoundOn(elements.audio.volume);
    if (status === "paused") this.status = status;
    this.load(positionMs + (this.failures.count - 1) * OVER_DAMAGE_MS);
  }

  private giveUp(): void {
    this.close();
    this.status = "unreadable";
  }

  private receive(event: PlaybackEvent): void {
    switch (event.kind) {
      case "run":
        if (event.stream === "audio") this.sound?.startRun(event.run);
        else this.startRun(event.run);
        break;
      case "frame":
        if (event.stream === "audio") this.sound?.push(event.frame);
        else this.player?.push(event.frame);
        break;
      case "scrubbed":
        if (this.status === "scrubbing" && this.knows(event.run)) this.player?.show(event.run, event.frame);
        break;
      case "gap":
        this.player?.flush();
        this.gaps.push({ fromMs: event.fromUs / 1000, toMs: event.toUs / 1000, cause: event.cause });
        break;
      case "end":
        this.player?.flush(true);
        this.hasEnded = true;
        if (this.status === "loading" && !this.player?.hasPicture) this.options.onEnd(); // nothing recorded from there on
        break;
      case "waiting":
        this.isLineLost = true;
        if (this.status === "loading") this.status = "waiting";
        break;
      case "stopped":
      case "refused":
        this.status = "failed";
        this.refusal = event.kind === "stopped" ? event.reason : event.code;
        break;
    }
  }

  private startRun(run: Run): void {
    this.isLineLost = false;
    if (this.knows(run)) this.player?.startRun(run);
    else this.player?.pause();
  }

  /** Whether this browser plays the recording. Another moment may have been recorded in another codec. */
  private knows(run: Run): boolean {
    this.codec = run.codec;
    const isKnown = canPlay(run.codec);
    if (!isKnown) this.status = "unsupported";
    return isKnown;
  }

  private pictureShown(): void {
    if (this.status === "loading" || this.status === "waiting") this.status = "playing";
    const wallUs = this.player?.wallUs ?? null;
    if (wallUs !== null) this.socket?.reportPosition(wallUs); // now the server sends what comes later
    this.options.onPicture();
  }

  private moved(wallUs: number): void {
    if (this.status === "scrubbing") return;
    this.noticeLine();
    const isNear = this.positionMs !== null && Math.abs(this.positionMs - wallUs / 1000) < 1;
    this.positionMs = wallUs / 1000;
    this.socket?.reportPosition(wallUs);
    const atMs = wallUs / 1000;
    this.gap = this.gaps.find((gap) => atMs > gap.fromMs - 200 && atMs < gap.toMs + 3000) ?? null;
    if (this.hasEnded && isNear && this.status === "playing" && this.player?.isStarved) this.options.onEnd();
  }

  /** About ten seconds are here when a line is lost: most come back before anybody need know. */
  private noticeLine(): void {
    const isStarved = this.player?.isStarved ?? false;
    if (this.status === "playing" && this.isLineLost && isStarved) this.status = "waiting";
    else if (this.status === "waiting" && !isStarved) this.status = "playing";
  }
}
