/** Saving what is on the screen, on this machine only. */
import { clockSeconds, dayKey } from "../i18n/time";

/** Downloads the picture as a JPEG named after camera and moment; false when there is no picture yet. */
export async function savePicture(source: HTMLVideoElement | HTMLCanvasElement, name: string, atMs: number, timeZone: string): Promise<boolean> {
  const isVideo = source instanceof HTMLVideoElement;
  const width = isVideo ? source.videoWidth : source.width;
  const height = isVideo ? source.videoHeight : source.height;
  if (width === 0) return false;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.drawImage(source, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${fileName(name)}_${dayKey(atMs, timeZone)}_${clockSeconds(atMs, timeZone).replaceAll(":", "-")}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return true;
}

function fileName(name: string): string {
  return name.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "camera";
}
