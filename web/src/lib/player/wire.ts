/**
 * What the media sockets say (`docs/design/live.md`): JSON text, and binary frames with a 24-byte header in front of
 * one CMAF chunk. The mirror of `incamera.protocol.frames.render_viewer_header`.
 */

export const HEADER_BYTES = 24;
const FLAG_SYNC = 0x01;

/** One chunk as it came over a media socket. Times: `decodeTime` in ticks of the run's timescale, `wallUs` since 1970. */
export interface MediaFrame {
  readonly handle: number;
  readonly isSync: boolean;
  readonly decodeTime: number;
  readonly wallUs: number;
  readonly chunk: Uint8Array<ArrayBuffer>;
}

/** An unbroken stretch of one stream with one init segment. */
export interface Run {
  readonly handle: number;
  readonly id: string;
  readonly codec: string;
  readonly timescale: number;
  readonly init: Uint8Array<ArrayBuffer>;
  /** Wall time of `decodeStart`, shared by the video and audio track of a run. */
  readonly wallStartUs: number;
  readonly decodeStart: number;
  readonly width: number;
  readonly height: number;
  readonly gap: { readonly cause: string; readonly seconds: number } | null;
  /** Playback only: the request this run answers. */
  readonly request: number | null;
}

export type StopReason = "revoked" | "session_ended" | "removed" | "turned_off" | "server_stopping";

export type ServerMessage =
  | { type: "opened"; ticket: string; handle: number; channel: string; stream: string }
  | {
      type: "opened";
      ticket: string;
      handle: number;
      channel: string;
      handles: Partial<Record<string, number>>;
      from_us: number | null;
      to_us: number | null;
    }
  | { type: "run"; handle: number; run: Run }
  | { type: "state"; handle: number; state: string; fault: string | null }
  | { type: "pong" }
  | { type: "stopped"; handle: number; reason: StopReason }
  | { type: "error"; ticket?: string; request?: number; code: string; detail: string }
  | { type: "scrubbed"; request: number; at_us: number }
  | { type: "gap"; from_us: number; to_us: number; cause: string; request: number }
  | { type: "end"; request: number };

/** Reads a binary message; throws RangeError when it is shorter than its header. */
export function parseFrame(data: ArrayBuffer): MediaFrame {
  const view = new DataView(data);
  return {
    handle: view.getUint32(0),
    isSync: (view.getUint8(4) & FLAG_SYNC) !== 0,
    decodeTime: Number(view.getBigInt64(8)),
    wallUs: Number(view.getBigInt64(16)),
    chunk: new Uint8Array(data, HEADER_BYTES),
  };
}

/** Reads a text message. Unknown types are the caller's to ignore, so that an older page survives a newer server. */
export function parseMessage(text: string): ServerMessage {
  const message = JSON.parse(text) as Record<string, unknown>;
  if (message["type"] === "run") return { type: "run", handle: message["handle"] as number, run: parseRun(message) };
  return message as unknown as ServerMessage;
}

function parseRun(message: Record<string, unknown>): Run {
  return {
    handle: message["handle"] as number,
    id: message["run"] as string,
    codec: message["codec"] as string,
    timescale: message["timescale"] as number,
    init: Uint8Array.from(atob(message["init"] as string), (character) => character.charCodeAt(0)),
    wallStartUs: message["wall_start_us"] as number,
    decodeStart: message["decode_start"] as number,
    width: (message["width"] as number | undefined) ?? 0,
    height: (message["height"] as number | undefined) ?? 0,
    gap: (message["gap"] as Run["gap"] | undefined) ?? null,
    request: (message["request"] as number | undefined) ?? null,
  };
}
