import { expect, test } from "vitest";
import { originOf, parseTyped, type Way } from "./camera-address";

test.each([
  ["192.168.1.42/stream1", "rtsp://192.168.1.42/stream1", "", ""],
  ["rtsp://admin:p%40ss@cam.local:8554/a?b=1", "rtsp://cam.local:8554/a?b=1", "admin", "p@ss"],
  ["  RTSP://192.168.1.42  ", "rtsp://192.168.1.42/", "", ""],
  ["rtsps://[fe80::1]:322/x", "rtsps://[fe80::1]:322/x", "", ""],
  ["rtsp://10.0.0.1:554/", "rtsp://10.0.0.1/", "", ""],
  ["rtsp://10.0.0.1:80/", "rtsp://10.0.0.1:80/", "", ""],
  ["rtsp://10.0.0.1:8080/", "rtsp://10.0.0.1:8080/", "", ""],
])("%s is read as an address and a sign-in", (typed, address, username, password) => {
  expect(parseTyped(typed)).toEqual({ address, username, password, way: "network" });
});

test.each([
  ["http://u:p@192.168.1.42:80/video.mjpg?a=1", "web", "http://192.168.1.42/video.mjpg?a=1", "u", "p"],
  ["https://[fe80::1]:8443/x", "network", "https://[fe80::1]:8443/x", "", ""],
  ["https://cam:80/x", "web", "https://cam:80/x", "", ""],
  ["https://cam:443/x", "web", "https://cam/x", "", ""],
  ["192.168.1.42:8080/?action=stream", "web", "http://192.168.1.42:8080/?action=stream", "", ""],
] as const)("%s is read as an address of the web", (typed, way, address, username, password) => {
  expect(parseTyped(typed, way)).toEqual({ address, username, password, way: "web" });
});

test.each([
  ["video0", "device", "device:video0", "device"],
  ["/dev/video0", "network", "device:video0", "device"],
  ["/dev/v4l/by-id/usb-Cam_1-index0", "device", "device:usb-Cam_1-index0", "device"],
  ["device:video0", "file", "device:video0", "device"],
  ["yard/monday 1.mp4", "file", "file:yard/monday 1.mp4", "file"],
  ["FILE:a.mp4", "network", "file:a.mp4", "file"],
] as const)("%s is read as what lies on the edge's machine", (typed, way, address, found) => {
  expect(parseTyped(typed, way)).toEqual({ address, username: "", password: "", way: found });
});

test.each([
  ["", "network"],
  ["", "file"],
  ["ftp://192.168.1.42/", "network"],
  ["rtsp://", "network"],
  ["rtsp://a b/", "network"],
  ["http://", "web"],
  ["../secret.mp4", "file"],
  ["/etc/passwd", "file"],
  ["a b", "device"],
  ["../mem", "device"],
] as [string, Way][])("%j is no camera address", (typed, way) => {
  expect(parseTyped(typed, way)).toBeNull();
});

test("a certificate belongs to scheme, host and port", () => {
  expect(originOf("https://[fe80::1]:8443/a?b=https://c/")).toBe("https://[fe80::1]:8443");
  expect(originOf("https://cam?x")).toBe("https://cam");
  expect(originOf("device:video0")).toBe("device:video0");
});
