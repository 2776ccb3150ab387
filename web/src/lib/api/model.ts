/** Wire types under short names. They are generated from the server's description of itself (`npm run schema`). */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Account = Schemas["AccountView"];
export type Session = Schemas["SessionState"];
export type SignedInTerminal = Schemas["SessionView"];
export type Device = Schemas["DeviceView"];
export type DeviceKind = Schemas["DeviceKind"];
export type Channel = Schemas["ChannelView"];
export type ChannelMode = Schemas["StreamMode"];
export type Placement = Schemas["Placement"];
export type PrivacyCard = Schemas["PrivacyCardBody"];
export type NewDevice = Schemas["AddDeviceBody"];
export type CameraAddress = Schemas["ProbeBody"];
export type ProbeResult = Schemas["ProbeView"];
export type FoundStreams = Schemas["FoundStreams"];
export type Edge = Schemas["EdgeView"];
export type NewEdge = Schemas["InvitationView"];
export type Viewing = Schemas["ViewingView"];
export type Timeline = Schemas["TimelineView"];
export type Ticket = Schemas["TicketView"];
