/**
 * Pictures in the timeline of one channel. Looking at them is looking at the recordings, and the owner's log says so: they are
 * fetched when somebody turns to the timeline, not because a page was opened. They live in memory as long as the page.
 */
import { areKeyFramesAvailable, KeyFrames } from "../player";
import { playbackTicket, playbackUrl } from "./live";

const MOST_KEPT = 160;

export class Filmstrip {
  /** By the moment they were wished for, milliseconds. */
  pictures = $state.raw<ReadonlyMap<number, ImageBitmap>>(new Map());
  private readonly missing = new Set<number>();
  private frames: KeyFrames | null = null;
  private isOver = !areKeyFramesAvailable();

  constructor(private readonly channelId: string) {}

  /** The moments on the screen; those not here yet are fetched, the latest first. */
  want(momentsMs: readonly number[]): void {
    if (this.isOver) return;
    const wanted = momentsMs.filter((at) => !this.pictures.has(at) && !this.missing.has(at)).sort((a, b) => b - a);
    if (wanted.length === 0 && !this.frames) return;
    this.frames ??= new KeyFrames({
      url: playbackUrl(),
      ticket: () => playbackTicket(this.channelId, ["main"]),
      onPicture: (atMs, picture) => this.put(atMs, picture),
      onOver: () => this.close(),
    });
    this.frames.want(wanted);
  }

  hold(isHeld: boolean): void {
    this.frames?.hold(isHeld);
  }

  close(): void {
    this.isOver = true;
    this.frames?.close();
    for (const picture of this.pictures.values()) picture.close();
    this.pictures = new Map();
  }

  private put(atMs: number, picture: ImageBitmap | null): void {
    if (!picture) {
      this.missing.add(atMs);
      return;
    }
    const kept = [...this.pictures];
    for (const [, old] of kept.splice(0, Math.max(0, kept.length - MOST_KEPT))) old.close();
    this.pictures = new Map([...kept, [atMs, picture]]);
  }
}
