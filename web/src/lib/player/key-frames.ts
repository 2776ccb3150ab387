/**
 * Small pictures of recorded moments for the timeline: key frames fetched one by one over a playback socket of their own,
 * decoded by WebCodecs, made small. The picture being watched goes first: while `isHeld` nothing is asked for.
 */
import { decoderDescription, mediaData } from "./boxes";
import { type PlaybackEvent, PlaybackSocket, type PlaybackSocketOptions } from "./playback-socket";
import type { MediaFrame, Run } from "./wire";

const WIDTH_PX = 192; // twice what is shown, for dense screens
const PATIENCE_MS = 4000;
/** A socket that is open counts as looking; it goes soon after the last picture. */
const IDLE_CLOSE_MS = 10_000;

export interface KeyFramesOptions extends Omit<PlaybackSocketOptions, "listener"> {
  /** A small picture of that moment (milliseconds, as it was wished); null: there is none to be had. */
  readonly onPicture: (atMs: number, picture: ImageBitmap | null) => void;
  /** Access ended, or the browser cannot decode this: no more pictures will come. */
  readonly onOver: () => void;
}

export class KeyFrames {
  private socket: PlaybackSocket | null = null;
  private wishes: number[] = [];
  private current: number | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private idleTimer: ReturnType<typeof setTimeout> | undefined;
  private isHeld = false;
  private isOver = false;

  constructor(private readonly options: KeyFramesOptions) {}

  /** Replaces what is wished for; the first comes first. */
  want(momentsMs: readonly number[]): void {
    this.wishes = [...momentsMs];
    this.next();
  }

  /** While somebody plays or drags, the line and the disk are theirs. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    this.next();
  }

  close(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    clearTimeout(this.idleTimer);
    this.wishes = [];
    this.hangUp();
  }

  private hangUp(): void {
    this.socket?.close();
    this.socket = null;
  }

  private next(): void {
    if (this.current !== null || this.isHeld || this.isOver) return;
    const atMs = this.wishes.shift();
    clearTimeout(this.idleTimer);
    if (atMs === undefined) {
      this.idleTimer = setTimeout(() => this.hangUp(), IDLE_CLOSE_MS);
      return;
    }
    this.current = atMs;
    this.socket ??= new PlaybackSocket({ ...this.options, listener: (event) => void this.receive(event) });
    this.socket.scrub(atMs * 1000);
    this.timer = setTimeout(() => {
      this.hangUp(); // a late answer would be taken for that of the next wish
      this.finish(null);
    }, PATIENCE_MS);
  }

  private async receive(event: PlaybackEvent): Promise<void> {
    if (event.kind === "stopped" || event.kind === "refused") {
      this.close();
      this.options.onOver();
    } else if (event.kind === "scrubbed") {
      this.finish(await smallPicture(event.run, event.frame).catch(() => null));
    }
  }

  private finish(picture: ImageBitmap | null): void {
    clearTimeout(this.timer);
    const atMs = this.current;
    this.current = null;
    if (this.isOver) picture?.close();
    else if (atMs !== null) this.options.onPicture(atMs, picture);
    this.next();
  }
}

export function areKeyFramesAvailable(): boolean {
  return "VideoDecoder" in globalThis && "createImageBitmap" in globalThis;
}

async function smallPicture(run: Run, frame: MediaFrame): Promise<ImageBitmap | null> {
  const description = decoderDescription(run.init);
  const data = mediaData(frame.chunk);
  if (!description || !data) return null;
  let picture: Promise<ImageBitmap> | null = null;
  const decoder = new VideoDecoder({
    output: (full) => {
      picture = createImageBitmap(full, { resizeWidth: WIDTH_PX, resizeQuality: "medium" }).finally(() => full.close());
    },
    error: () => undefined, // flush() rejects as well
  });
  try {
    decoder.configure({ codec: run.codec, description });
    decoder.decode(new EncodedVideoChunk({ type: "key", timestamp: 0, data }));
    await decoder.flush();
    return await picture;
  } finally {
    if (decoder.state !== "closed") decoder.close();
  }
}
