/** MediaSource where there is one, ManagedMediaSource on iPhone (Safari 17.1+), which also says when to fetch. */

interface ManagedMediaSource extends MediaSource {
  readonly streaming: boolean;
}

type MediaSourceClass = { new (): MediaSource; isTypeSupported(type: string): boolean };

function classOf(): MediaSourceClass | null {
  const scope = globalThis as { MediaSource?: MediaSourceClass; ManagedMediaSource?: MediaSourceClass };
  return scope.MediaSource ?? scope.ManagedMediaSource ?? null;
}

export function mimeOf(codec: string): string {
  return `${codec.startsWith("mp4a") || codec === "opus" ? "audio" : "video"}/mp4; codecs="${codec}"`;
}

export function hasMediaSource(): boolean {
  return classOf() !== null;
}

/** Whether this browser plays that codec (RFC 6381) through Media Source Extensions. */
export function canPlay(codec: string): boolean {
  return classOf()?.isTypeSupported(mimeOf(codec)) ?? false;
}

export interface AttachedSource {
  readonly source: MediaSource;
  /** False while a ManagedMediaSource asks to hold back (screen off, enough buffered). */
  readonly wantsData: () => boolean;
  detach(): void;
}

/**
 * A recording may be sought anywhere at any time. Browsers clamp a seek to what is seekable, and with an unknown duration that
 * ends at the last buffered picture: after a jump, with nothing buffered yet, a seek would be ignored. So a range is declared.
 * The duration stays unknown, because Chromium then shows each picture without gathering several first (measured:
 * docs/design/performance.md); where no range can be declared it is the duration.
 */
const RECORDING_S = 1e8;

function letSeek(source: MediaSource): void {
  if ("setLiveSeekableRange" in source) source.setLiveSeekableRange(0, RECORDING_S);
  else (source as MediaSource).duration = RECORDING_S;
}

/** Gives an element a fresh media source. Throws where the browser has none at all. */
export function attachSource(
  element: HTMLMediaElement,
  kind: "live" | "recording" | "sound",
  onWantsData: (wants: boolean) => void = () => undefined,
): AttachedSource {
  const constructor = classOf();
  if (!constructor) throw new Error("This browser has no Media Source Extensions");
  const source = new constructor();
  const managed = "streaming" in source ? (source as ManagedMediaSource) : null;
  if (managed) {
    element.disableRemotePlayback = true; // required before a ManagedMediaSource opens
    managed.addEventListener("startstreaming", () => onWantsData(true));
    managed.addEventListener("endstreaming", () => onWantsData(false));
  }
  if (kind === "recording") source.addEventListener("sourceopen", () => letSeek(source), { once: true });
  if (kind === "sound") source.addEventListener("sourceopen", () => (source.duration = RECORDING_S), { once: true });
  const url = URL.createObjectURL(source);
  element.src = url;
  return {
    source,
    wantsData: () => managed?.streaming ?? true,
    detach() {
      URL.revokeObjectURL(url);
      if (element.src === url) {
        element.removeAttribute("src");
        element.load();
      }
    },
  };
}
