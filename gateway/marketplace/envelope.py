"""The envelope of every answer of the marketplace API, and of every refusal."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DataT = TypeVar("DataT")


class Output(BaseModel):
    """A part of an answer, in camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Success(Output, Generic[DataT]):
    """The envelope of every answer."""

    success: Annotated[bool, Field(json_schema_extra={"const": True})]
    data: DataT


class Page(Output, Generic[DataT]):
    """The envelope of a list. `nextCursor` is the next request's `cursor`; null at the end."""

    success: Annotated[bool, Field(json_schema_extra={"const": True})]
    data: list[DataT]
    has_more: bool
    next_cursor: str | None


class FieldError(Output):
    """What is wrong with one field."""

    field: str
    message: str


class ErrorDetails(Output):
    """Facts about a refusal; which, depends on its code."""

    model_config = ConfigDict(extra="allow")
    fields: list[FieldError] | None = None


class ErrorBody(Output):
    """A refusal: a code to act on, a sentence to read."""

    code: str
    message: str
    details: ErrorDetails


class Failure(Output):
    """The envelope of every refusal."""

    success: Annotated[bool, Field(json_schema_extra={"const": False})]
    error: ErrorBody
