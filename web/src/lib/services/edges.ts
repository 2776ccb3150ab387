/** The small programs beside the cameras. */
import { answer, api, once } from "../api/client";
import type { Edge, NewEdge } from "../api/model";

export async function listEdges(): Promise<Edge[]> {
  return (await answer(api.GET("/api/v1/edges"))).items;
}

/** A one-time code (15 minutes) and the command that uses it. */
export function inviteEdge(name: string): Promise<NewEdge> {
  return answer(api.POST("/api/v1/edges", { body: { name }, headers: once() }));
}

export async function removeEdge(id: string): Promise<void> {
  await answer(api.DELETE("/api/v1/edges/{edge_id}", { params: { path: { edge_id: id } } }));
}
