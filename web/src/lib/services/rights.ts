/** What the person who looks may do with a device. The server decides; here it only keeps useless controls away. */
import type { Device } from "../api/model";

export type Permission = "view_live" | "listen" | "view_recordings" | "configure";

export function may(device: Device, permission: Permission): boolean {
  return device.permissions.includes(permission);
}
