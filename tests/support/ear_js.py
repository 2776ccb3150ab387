"""How far sound and picture of a simulated camera are apart in a browser, at the loudspeaker and on the screen.

The camera ticks (1 kHz) at every full second and numbers its pictures from the epoch, so that picture `25 · s` belongs
to the tick of second `s`. The ear sits on whatever a page plays; the eye reads the number of each picture that is
presented.

    page.add_init_script(EAR_JS)                                    # before the page is opened
    skews = page.evaluate(SKEW_JS, {"seconds": 8, "fps": 25})       # milliseconds, one per tick; > 0: sound is late
"""

from tests.support.counter_js import READ_COUNTER_JS

EAR_JS = """
(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to === this.context.destination && this !== window.incameraEar) {
      window.incameraEar = new AnalyserNode(this.context, { fftSize: 32768 });
      connect.call(this, window.incameraEar);
    }
    return connect.call(this, to, ...rest);
  };
})();
"""
"""Puts an ear beside every loudspeaker that the page opens."""

SKEW_JS = (
    """
async ({ seconds, fps }) => {
  const readCounter = """
    + READ_COUNTER_JS
    + """;
  const audio = document.querySelector("audio");
  if (!audio.paused && !audio.isHeard) {
    audio.isHeard = true;
    const context = new AudioContext();
    await context.resume();
    context.createMediaElementSource(audio).connect(context.destination);
  }
  const video = document.querySelector("figure video");
  const canvas = document.querySelector("figure canvas");
  const element = getComputedStyle(canvas).opacity === "1" ? canvas : video;
  const until = performance.now() + seconds * 1000;
  const shown = [];  // [performance milliseconds, picture number]
  // A picture holds the lowest 24 bits of its number only. Every week they begin anew, in the middle of a second.
  const whole = (number) => number + Math.round(((Date.now() / 1000) * fps - number) / 2 ** 24) * 2 ** 24;
  const note = (atMs) => {
    const read = readCounter(element);
    const number = read === null ? null : whole(read);
    if (number !== null && number !== shown.at(-1)?.[1]) shown.push([atMs, number]);
  };
  const watchVideo = () => video.requestVideoFrameCallback((_, picture) => {
    note(picture.expectedDisplayTime);
    if (performance.now() < until) watchVideo();
  });
  // Whatever draws in this frame of the display has drawn when the message comes; it is seen with the next one.
  const watchCanvas = () => requestAnimationFrame((nowMs) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => note(nowMs + 1000 / 60);
    port2.postMessage(null);
    if (performance.now() < until) watchCanvas();
  });
  if (element === video) watchVideo(); else watchCanvas();

  const ticks = [];  // performance milliseconds
  const ear = window.incameraEar;
  if (!ear) throw new Error("nothing is played");
  const { context } = ear, rate = context.sampleRate;
  const samples = new Float32Array(ear.fftSize);
  const width = Math.round(rate * 0.01), step = Math.round(rate * 0.002);
  const tone = (from) => {  // Goertzel, 1 kHz, ten milliseconds from that sample on
    const turn = 2 * Math.cos((2 * Math.PI * 1000) / rate);
    let a = 0, b = 0;
    for (let at = from; at < from + width; at++) [a, b] = [samples[at] + turn * a - b, a];
    return (2 * Math.sqrt(Math.max(0, a * a + b * b - turn * a * b))) / width;
  };
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const endS = context.currentTime;
    ear.getFloatTimeDomainData(samples);
    // A media element takes account of the loudspeaker's delay by itself, unless its sound is led through here: it then
    // believes that what is asked of it is heard at once. So its ticks count from where it believes them to be heard.
    const told = audio.isHeard
      ? { contextTime: endS, performanceTime: performance.now() }
      : context.getOutputTimestamp();
    let quietSince = null;
    const first = Math.max(0, samples.length - Math.round(rate * 0.6));
    for (let from = first; from + width <= samples.length; from += step) {
      const level = tone(from);
      if (level < 0.03) quietSince ??= from;
      else if (level >= 0.06) {
        if (quietSince !== null && from - quietSince > rate * 0.1) {
          const onsetS = endS - (samples.length - from - width / 2) / rate;
          const atMs = told.performanceTime + (onsetS - told.contextTime) * 1000;
          if (!ticks.some((tick) => Math.abs(tick - atMs) < 300)) ticks.push(atMs);
        }
        quietSince = null;
      }
    }
  }
  const nearest = (distance) => shown.reduce((best, it) => (distance(it) < distance(best) ? it : best));
  const skews = [];
  for (const tickMs of ticks) {
    if (!shown.length || tickMs < shown[0][0] || tickMs > shown.at(-1)[0]) continue;
    const [nearMs, near] = nearest(([atMs]) => Math.abs(atMs - tickMs));
    const wanted = Math.round((near / fps) + (tickMs - nearMs) / 1000) * fps;
    const [fromMs, from] = nearest(([, number]) => Math.abs(number - wanted));
    skews.push(Math.round(10 * (tickMs - fromMs - ((wanted - from) * 1000) / fps)) / 10);
  }
  return skews;
}
"""
)
"""Needs a figure with `video`, `canvas` and an `audio` element beside it, as the camera page has, with sound on."""
