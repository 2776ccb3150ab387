"""What every feature's wire types share: strict request bodies, and fields that name the datum they carry."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """Base of request bodies: an unknown field is an error, not a silent loss."""

    model_config = ConfigDict(extra="forbid")


def personal_field(address: str, **schema: str) -> dict[str, Any]:
    """`Field(json_schema_extra=personal_field("B1a.register/email", format="email"))`: the datum stands in the
    API's description too, where the lint compares it with the declarations. `schema`: more keywords of JSON Schema."""
    return {"x-personal-data": address, **schema}
