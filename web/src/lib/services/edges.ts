/** The small programs beside the cameras. */
import { request } from "../api/client";
import type { Edge, NewEdge, Page } from "../api/model";

export async function listEdges(): Promise<Edge[]> {
  return (await request<Page<Edge>>("GET", "/api/v1/edges")).items;
}

/** A one-time code (15 minutes) and the command that uses it. */
export function inviteEdge(name: string): Promise<NewEdge> {
  return request("POST", "/api/v1/edges", { body: { name }, idempotent: true });
}

export function removeEdge(id: string): Promise<void> {
  return request("DELETE", `/api/v1/edges/${id}`);
}
