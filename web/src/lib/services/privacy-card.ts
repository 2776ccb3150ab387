/** A privacy card while somebody fills it in: what is not answered is null, and nothing is answered for them. */
import type { Placement, PrivacyCard } from "../api/model";

export interface CardDraft {
  purpose: string;
  placement: Placement | null;
  seesPublicSpace: boolean | null;
  staff: "nobody" | "informed" | null;
  sound: boolean | null;
}

export function emptyDraft(kind: string): CardDraft {
  return { purpose: "", placement: kind === "doorbell" ? "doorbell" : null, seesPublicSpace: null, staff: null, sound: null };
}

export function draftOf(card: PrivacyCard): CardDraft {
  return {
    purpose: card.purpose,
    placement: card.placement,
    seesPublicSpace: card.sees_public_space,
    staff: card.staff_informed === null ? "nobody" : "informed",
    sound: card.sound,
  };
}

/** The finished card, or null while an answer is missing. */
export function finished(draft: CardDraft): PrivacyCard | null {
  const { placement, seesPublicSpace, staff, sound } = draft;
  const purpose = draft.purpose.trim();
  if (!purpose || placement === null || seesPublicSpace === null || staff === null || sound === null) return null;
  return { purpose, placement, sees_public_space: seesPublicSpace, staff_informed: staff === "informed" ? true : null, sound };
}
