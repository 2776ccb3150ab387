// node-media-server: RTMP in, HTTP-FLV out, on loopback, without authentication.
//   node node_media_server.cjs FOLDER RTMP_PORT HTTP_PORT      (FOLDER holds node_modules)
const { createRequire } = require("node:module");
const path = require("node:path");

const [folder, rtmpPort, httpPort] = process.argv.slice(2);
const load = createRequire(path.join(path.resolve(folder), "package.json"));
const NodeMediaServer = load("node-media-server");

new NodeMediaServer({
  bind: "127.0.0.1",
  auth: { play: false, publish: false, secret: "" },
  notify: { url: "" },
  record: { auto: false, path: folder },
  store: { path: folder, maxHistory: 10 },
  rtmp: { port: Number(rtmpPort) },
  http: { port: Number(httpPort) },
}).run();
setTimeout(() => console.log("ready"), 500);
