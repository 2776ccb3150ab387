"""`python -m bench.rtmp_feed CLIP URL`: publishes the clip over RTMP in real time, for peers that take nothing else."""

import sys
import time
from fractions import Fraction
from pathlib import Path

import av

from bench.clip import FPS, access_units


def main() -> None:
    clip, url = Path(sys.argv[1]), sys.argv[2]
    units = access_units(clip)
    with av.open(str(clip), format="h264") as source, av.open(url, "w", format="flv") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, 1000)
        started, number = time.monotonic(), 0
        print("ready", flush=True)
        while True:
            is_sync, data = units[number % len(units)]
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = number * 1000 // FPS
            packet.is_keyframe = is_sync
            output.mux(packet)
            number += 1
            time.sleep(max(0.0, started + number / FPS - time.monotonic()))


if __name__ == "__main__":
    main()
