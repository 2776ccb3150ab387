/**
 * The player: live pictures and sound over one socket per page, recordings over another. No framework in here and no
 * words for people; components draw, this plays. Design: `docs/design/player.md`.
 */
export { Failures } from "./failures";
export { LivePlayer } from "./live-player";
export { LiveSocket, type LiveEvent, type Subscription, type Ticket, TicketRefused } from "./live-socket";
export { areKeyFramesAvailable, KeyFrames } from "./key-frames";
export { isLowDelayAvailable, LowDelayPlayer } from "./low-delay";
export { LowDelaySound } from "./low-delay-sound";
export { canPlay } from "./media-source";
export { PlaybackPlayer } from "./playback-player";
export { type PlaybackEvent, PlaybackSocket } from "./playback-socket";
export { SoundPlayer } from "./sound";
export type { Run, StopReason } from "./wire";
