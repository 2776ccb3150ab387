/**
 * One live picture on the page, for a tile or the camera page: which stream, which player, and what to say.
 *
 *   idle ─start─► starting ─picture─► playing ⇄ waiting (line or camera lost, comes back by itself)
 *         │          └──────► stopped | refused | unsupported   (until started again)
 *         └─ pictures come and cannot be read ─► the sub stream, else unreadable ─► tried again by itself
 *
 * A main stream in the middle of a long GOP has nothing to begin with. Until its next sync sample the sub stream stands in,
 * in the same player; without one the cover stays, and after a while a sentence.
 */
import type { Channel } from "../api/model";
import { canPlay, type LiveEvent, LivePlayer, LowDelayPlayer, LowDelaySound, type Run, SoundPlayer, type StopReason, type Subscription } from "../player";
import { liveSocket } from "./live";

export type LiveStatus = "idle" | "starting" | "playing" | "waiting" | "stopped" | "refused" | "unsupported" | "unreadable";

/** A camera that was restarted or set up anew may be readable again. */
const TRY_AGAIN_MS = 20_000;
/** A stream that is there and sends nothing for so long has no sync sample to begin with: huge GOPs, intra refresh. */
const STAND_IN_MS = 1000;
const INCOMPLETE_MS = 6000;
/** "Smart codecs" send a whole picture every ten seconds; who sends none for so long sends none at all. */
const NEVER_WHOLE_MS = 20_000;
/** A sub stream that the camera does not have any more: its main stream is there, and this one has not begun. */
const SUB_MISSING_MS = 8000;

export interface LiveElements {
  readonly video: HTMLVideoElement;
  readonly canvas?: HTMLCanvasElement;
  readonly audio?: HTMLAudioElement;
}

export interface LiveChoice {
  readonly stream: "main" | "sub";
  readonly lowDelay?: boolean;
}

export class LiveView {
  status = $state<LiveStatus>("idle");
  stopReason = $state<StopReason | null>(null);
  refusal = $state<string | null>(null);
  isLowDelay = $state(false);
  isSoundOn = $state(false);
  soundRefusal = $state<string | null>(null);
  size = $state<{ width: number; height: number } | null>(null);
  /** The sub stream, because the main one cannot be shown here. */
  isSmaller = $state(false);
  /** The camera is there, and has sent no picture yet that decodes alone. */
  isIncomplete = $state(false);
  /** It will not, as it seems: it renews its picture a stripe at a time. */
  isNeverWhole = $state(false);

  private elements: LiveElements | null = null;
  private channel: Channel | null = null;
  private player: LivePlayer | LowDelayPlayer | null = null;
  private sound: SoundPlayer | LowDelaySound | null = null;
  private picture: Subscription | null = null;
  private soundSubscription: Subscription | null = null;
  private stream: "main" | "sub" = "main";
  private lowDelay = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private firstFrameTimers: ReturnType<typeof setTimeout>[] = [];
  private subTimer: ReturnType<typeof setTimeout> | undefined;
  private hasRun = false;
  private standIn: Subscription | null = null;
  private mainRun: Run | null = null;

  start(channel: Channel, elements: LiveElements, choice: LiveChoice): void {
    this.stop();
    this.channel = channel;
    this.elements = elements;
    this.stream = choice.stream === "sub" && channel.has_sub ? "sub" : "main";
    this.status = "starting";
    this.lowDelay = choice.lowDelay ?? false;
    this.begin(elements);
  }

  stop(): void {
    this.letGo();
    clearTimeout(this.retryTimer);
    this.status = "idle";
    this.isSmaller = false;
    this.stopReason = null;
    this.refusal = null;
    this.size = null;
  }

  /** What could not be read; the sentence stays until a picture is there. */
  tryAgain(): void {
    clearTimeout(this.retryTimer);
    if (this.status === "unreadable" && this.elements && !this.player) this.begin(this.elements);
  }

  pause(): void {
    this.player?.pause();
  }

  resume(): void {
    this.player?.resume();
  }

  /** Must run inside a gesture: browsers play sound only after one. */
  turnSoundOn(volume: number): void {
    const { channel, elements, player } = this;
    if (!channel || !elements?.audio || !player || this.sound) return;
    const sound = player instanceof LivePlayer ? smoothSound(elements, elements.audio, player, volume) : this.lowDelaySound(player, volume);
    this.sound = sound;
    this.isSoundOn = true;
    this.soundRefusal = null;
    this.soundSubscription = liveSocket.subscribe(channel.id, "audio", (event) => this.hear(event, sound));
  }

  turnSoundOff(): void {
    this.soundSubscription?.close();
    this.sound?.close();
    this.soundSubscription = null;
    this.sound = null;
    this.isSoundOn = false;
  }

  setVolume(volume: number): void {
    if (this.sound instanceof LowDelaySound) this.sound.setVolume(volume);
    else if (this.elements?.audio) this.elements.audio.volume = volume;
  }

  /** Seconds the picture trails the newest one received. */
  get delayS(): number {
    return this.player?.delayS ?? 0;
  }

  /** Wall time of the picture on the screen, in milliseconds. */
  get wallMs(): number | null {
    const wallUs = this.player?.wallUs ?? null;
    return wallUs === null ? null : wallUs / 1000;
  }

  private begin(elements: LiveElements): void {
    this.isLowDelay = this.lowDelay && elements.canvas !== undefined;
    this.player = this.isLowDelay ? this.lowDelayPlayer(elements) : this.smoothPlayer(elements);
    this.subscribe();
  }

  private letGo(): void {
    this.turnSoundOff();
    this.endStandIn();
    this.firstFrameCame();
    clearTimeout(this.subTimer);
    this.picture?.close();
    this.player?.close();
    this.picture = null;
    this.player = null;
  }

  private smoothPlayer(elements: LiveElements): LivePlayer {
    return new LivePlayer(elements.video, {
      onPicture: () => this.playing(),
      onBroken: () => this.subscribe(),
      onUnreadable: () => this.unreadable(),
      soundEdgeS: () => (this.sound instanceof SoundPlayer ? this.sound.edgeS : null),
    });
  }

  private lowDelayPlayer(elements: LiveElements): LowDelayPlayer {
    return new LowDelayPlayer(elements.canvas!, {
      onPicture: () => this.playing(),
      onUnsupported: () => {
        this.turnSoundOff();
        this.player?.close();
        this.isLowDelay = false;
        this.player = this.smoothPlayer(elements);
        this.subscribe();
      },
      heardS: () => (this.sound instanceof LowDelaySound ? this.sound.heardS : null),
    });
  }

  private lowDelaySound(player: LowDelayPlayer, volume: number): LowDelaySound {
    return new LowDelaySound({
      origin: player.origin,
      volume,
      onUnsupported: () => {
        this.soundRefusal = "unsupported";
        this.turnSoundOff();
      },
    });
  }

  private playing(): void {
    this.status = "playing";
  }

  private subscribe(): void {
    this.hasRun = false;
    this.picture = liveSocket.subscribe(this.channel!.id, this.stream, (event) => this.watch(event));
  }

  private watch(event: LiveEvent): void {
    switch (event.kind) {
      case "run":
        this.startRun(event.run);
        break;
      case "frame":
        this.firstFrameCame();
        if (this.standIn) this.takeBack();
        this.player?.push(event.frame);
        break;
      case "waiting":
        this.interrupted();
        break;
      case "state":
        if (event.state === "online") this.expectSub();
        else this.interrupted();
        break;
      case "stopped":
        this.stopped(event.reason);
        break;
      case "refused":
        this.status = "refused";
        this.refusal = event.code;
        break;
    }
  }

  private expectSub(): void {
    if (this.stream !== "sub" || this.isSmaller || this.hasRun) return;
    clearTimeout(this.subTimer);
    this.subTimer = setTimeout(() => {
      this.picture?.close();
      this.stream = "main";
      this.subscribe();
    }, SUB_MISSING_MS);
  }

  private startRun(run: Run): void {
    this.hasRun = true;
    clearTimeout(this.subTimer);
    if (!canPlay(run.codec)) {
      if (!this.tryOtherStream()) {
        this.picture?.close();
        this.status = "unsupported";
      }
      return;
    }
    this.size = { width: run.width, height: run.height };
    if (this.status === "waiting") this.status = "playing";
    this.mainRun = run;
    if (this.standIn) return;
    this.awaitFirstFrame();
    this.player?.startRun(run);
  }

  private awaitFirstFrame(): void {
    this.firstFrameCame();
    this.firstFrameTimers = [
      setTimeout(() => this.letSubStandIn(), STAND_IN_MS),
      setTimeout(() => (this.isIncomplete = true), INCOMPLETE_MS),
      setTimeout(() => (this.isNeverWhole = true), NEVER_WHOLE_MS),
    ];
  }

  private firstFrameCame(): void {
    for (const timer of this.firstFrameTimers) clearTimeout(timer);
    this.firstFrameTimers = [];
    this.isIncomplete = false;
    this.isNeverWhole = false;
  }

  private letSubStandIn(): void {
    if (this.stream !== "main" || !this.channel?.has_sub || this.standIn) return;
    this.standIn = liveSocket.subscribe(this.channel.id, "sub", (event) => {
      if (event.kind === "run" && canPlay(event.run.codec)) this.player?.startRun(event.run);
      else if (event.kind === "frame") {
        this.firstFrameCame();
        this.player?.push(event.frame);
      }
    });
  }

  /** The main stream has a picture to begin with. */
  private takeBack(): void {
    this.endStandIn();
    if (this.mainRun) this.player?.startRun(this.mainRun);
  }

  private endStandIn(): void {
    this.standIn?.close();
    this.standIn = null;
  }

  /** The main stream is often H.265, which many browsers do not play; the sub stream is H.264 nearly everywhere. */
  private tryOtherStream(): boolean {
    if (this.stream !== "main" || !this.channel?.has_sub) return false;
    this.endStandIn();
    this.picture?.close();
    this.stream = "sub";
    this.isSmaller = true;
    this.subscribe();
    return true;
  }

  private unreadable(): void {
    const { elements } = this;
    if (!elements || this.tryOtherStream()) return;
    this.letGo();
    this.status = "unreadable";
    this.retryTimer = setTimeout(() => this.tryAgain(), TRY_AGAIN_MS);
  }

  private interrupted(): void {
    this.firstFrameCame();
    clearTimeout(this.subTimer);
    this.player?.interrupt();
    if (this.status === "playing") this.status = "waiting";
  }

  private stopped(reason: StopReason): void {
    if (reason === "server_stopping") {
      this.interrupted();
      return;
    }
    this.status = "stopped";
    this.stopReason = reason;
    this.turnSoundOff();
  }

  private hear(event: LiveEvent, sound: SoundPlayer | LowDelaySound): void {
    if (this.sound !== sound) return;
    if (event.kind === "run") sound.startRun(event.run);
    else if (event.kind === "frame") sound.push(event.frame);
    else if (event.kind === "refused" || event.kind === "stopped") {
      this.soundRefusal = event.kind === "refused" ? event.code : event.reason;
      this.turnSoundOff();
    }
  }
}

function smoothSound(elements: LiveElements, audio: HTMLAudioElement, player: LivePlayer, volume: number): SoundPlayer {
  audio.volume = volume;
  return new SoundPlayer(audio, elements.video, player.origin);
}
