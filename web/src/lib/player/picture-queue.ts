/** Which of the decoded pictures belongs on the screen: pure, asked for every frame of the display. */

/** A picture is shown for some tens of milliseconds: one that is due within half a display frame is due. */
const NEARLY_S = 0.008;
/** As for the smooth picture: sound that is later than this counts as missing. */
const MOST_WAITING_S = 1.2;
const DECODE_AHEAD_S = 0.25;

/**
 * Index of the picture to show now, -1 to wait. `timesS`: media seconds of the pictures, in order; `heardS`: of the sound
 * that is heard, null without sound: then the newest picture is due, whatever its time.
 */
export function dueIndex(timesS: readonly number[], heardS: number | null): number {
  const newest = timesS.length - 1;
  if (heardS === null || newest < 0) return newest;
  const isSoundMissing = timesS[newest]! - heardS > MOST_WAITING_S;
  if (isSoundMissing) return newest;
  let due = -1;
  while (due < newest && timesS[due + 1]! <= heardS + NEARLY_S) due += 1;
  return due;
}

/** Whether a picture may go into the decoder: decoded pictures are large, so those that wait for sound wait undecoded. */
export function mayDecode(pictureS: number, heardS: number | null): boolean {
  return heardS === null || pictureS - heardS < DECODE_AHEAD_S || pictureS - heardS > MOST_WAITING_S;
}
