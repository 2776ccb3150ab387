/**
 * Sound beside a low-delay picture: AudioDecoder to the audio output, each piece at its own moment (sound-schedule.ts).
 *
 * Sound cannot wait or hurry as pictures can without being heard, so its clock is the one that counts: the picture shows what
 * belongs to the sound that leaves the loudspeaker now (`heardS`).
 */
import { samplesOf, soundConfig } from "./boxes";
import { SoundSchedule } from "./sound-schedule";
import type { MediaOrigin } from "./wall-map";
import type { MediaFrame, Run } from "./wire";

/** More than the few seconds that come at once at a join: this machine does not keep up. */
const QUEUE_LIMIT = 200;
const MOST_FAILURES = 5;

export interface LowDelaySoundOptions {
  readonly origin: MediaOrigin;
  readonly volume: number;
  /** This browser cannot decode the sound. */
  readonly onUnsupported: () => void;
}

export class LowDelaySound {
  private readonly schedule = new SoundSchedule();
  private context: AudioContext | null = null;
  private volumeNode: GainNode | null = null;
  private decoder: AudioDecoder | null = null;
  private run: Run | null = null;
  private volume: number;
  private failures = 0;
  /**
   * Media seconds of what is in the decoder, in order: one sound in, one out. Chromium counts the time of what comes out from
   * the first sound on and forgets that there were holes.
   */
  private inside: number[] = [];

  constructor(private readonly options: LowDelaySoundOptions) {
    this.volume = options.volume;
  }

  startRun(run: Run): void {
    const config = soundConfig(run.init);
    this.run = run;
    this.schedule.clear();
    if (!config || !("AudioDecoder" in globalThis)) {
      this.options.onUnsupported();
      return;
    }
    this.openOutput(config.sampleRate);
    const { sampleRate, numberOfChannels, description } = config;
    this.decoder ??= new AudioDecoder({ output: (sound) => this.play(sound), error: () => this.fail() });
    this.inside = [];
    this.decoder.configure({ codec: run.codec, sampleRate, numberOfChannels, ...(description && { description }) });
  }

  push(frame: MediaFrame): void {
    const { run, decoder } = this;
    if (!run || decoder?.state !== "configured" || decoder.decodeQueueSize > QUEUE_LIMIT) return;
    for (const { ticks, data } of samplesOf(frame.chunk)) {
      const mediaS = this.options.origin.secondsAt(run, frame.decodeTime + ticks);
      if (this.inside.length > QUEUE_LIMIT) this.inside = []; // the decoder swallows some: its own times then
      this.inside.push(mediaS);
      decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: Math.round(mediaS * 1e6), data }));
    }
  }

  /** Media seconds of what leaves the loudspeaker now; null while nothing is heard. */
  get heardS(): number | null {
    const { context } = this;
    if (context?.state !== "running") return null;
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    const sinceMs = performanceTime ? performance.now() - performanceTime : Number.NaN;
    // An output that has not told the time yet, or not for long, is asked for its own estimate.
    const isTold = contextTime !== undefined && sinceMs >= 0 && sinceMs < 1000;
    const atS = isTold ? Math.min(context.currentTime, contextTime + sinceMs / 1000) : context.currentTime - (context.outputLatency || 0);
    return this.schedule.mediaAt(atS);
  }

  setVolume(volume: number): void {
    this.volume = volume;
    if (this.volumeNode) this.volumeNode.gain.value = volume;
  }

  /** The stream is gone for now. */
  interrupt(): void {
    this.schedule.clear();
  }

  close(): void {
    this.run = null;
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    void this.context?.close();
    this.context = null;
  }

  /** At the sound's own rate: pieces then join without resampling each by itself, which would be heard as clicks. */
  private openOutput(sampleRate: number): void {
    if (this.context?.sampleRate === sampleRate) return;
    void this.context?.close();
    this.context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    this.volumeNode = new GainNode(this.context, { gain: this.volume });
    this.volumeNode.connect(this.context.destination);
    void this.context.resume();
  }

  private play(sound: AudioData): void {
    const { context, volumeNode } = this;
    const mediaS = this.inside.shift() ?? sound.timestamp / 1e6;
    if (context?.state === "running" && volumeNode) {
      const placement = this.schedule.place(mediaS, sound.numberOfFrames / sound.sampleRate, context.currentTime);
      if (placement !== "skip") {
        const node = new AudioBufferSourceNode(context, { buffer: bufferOf(sound), playbackRate: placement.rate });
        node.connect(volumeNode);
        node.start(placement.startS);
      }
    }
    sound.close();
  }

  /** One damaged piece is no reason to be silent: the decoder starts afresh with what follows. */
  private fail(): void {
    this.decoder = null;
    this.failures += 1;
    if (this.failures > MOST_FAILURES) this.options.onUnsupported();
    else if (this.run) this.startRun(this.run);
  }
}

function bufferOf(sound: AudioData): AudioBuffer {
  const { numberOfChannels, numberOfFrames: length, sampleRate } = sound;
  const buffer = new AudioBuffer({ numberOfChannels, length, sampleRate });
  for (let channel = 0; channel < numberOfChannels; channel += 1) {
    sound.copyTo(buffer.getChannelData(channel), { planeIndex: channel, format: "f32-planar" });
  }
  return buffer;
}
