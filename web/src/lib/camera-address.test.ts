import { expect, test } from "vitest";
import { parseTyped } from "./camera-address";

test.each([
  ["192.168.1.42/stream1", "rtsp://192.168.1.42/stream1", "", ""],
  ["rtsp://admin:p%40ss@cam.local:8554/a?b=1", "rtsp://cam.local:8554/a?b=1", "admin", "p@ss"],
  ["  RTSP://192.168.1.42  ", "rtsp://192.168.1.42/", "", ""],
  ["rtsps://[fe80::1]:322/x", "rtsps://[fe80::1]:322/x", "", ""],
  ["rtsp://10.0.0.1:554/", "rtsp://10.0.0.1/", "", ""],
])("%s is read as an address and a sign-in", (typed, address, username, password) => {
  expect(parseTyped(typed)).toEqual({ address, username, password });
});

test.each(["", "http://192.168.1.42/", "rtsp://", "rtsp://a b/"])("%j is no camera address", (typed) => {
  expect(parseTyped(typed)).toBeNull();
});
