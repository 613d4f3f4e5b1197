"""The base class of values that are read from files, and a parser that says what is wrong with them."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import ConfigError

T = TypeVar("T", bound=BaseModel)


class Frozen(BaseModel):
    """A value: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse(kind: type[T], data: Any, where: str) -> T:
    """Validate `data` as `kind`; a problem becomes one `ConfigError` line that names the place and the field."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        )
        raise ConfigError(f"{where}: {problems}") from None
