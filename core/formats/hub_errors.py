"""Turns the errors of the hub into one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from core.errors import ModelError

WAYS = (
    "Three ways on: bring its folder and name that, --model PATH; copy a cache that holds it and set HF_HOME to it; "
    "or take the bundled model, --model tiny"
)


class UnreachableError(ModelError):
    """The hub cannot be asked, or must not be."""


@contextmanager
def hub_errors(
    what: str, repo: str, revision: str | None, doing: Literal["asking", "downloading"], *, ways: str = WAYS
) -> Iterator[None]:
    """Errors of `huggingface_hub` and of the network inside become `ModelError`s. `what` is the model's name."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{repo}"
    try:
        yield
    except errors.GatedRepoError:
        raise ModelError(
            f"{what} is gated: accept its licence at {page}, then log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelError(f"{repo} has no revision {revision!r}; see {page}/commits") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(
            f"{repo} is not on the hub (any more), or it is private: check the name at {page}; for a private "
            f"one log in with `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.HfHubHTTPError as error:
        raise ModelError(f"the hub answered {error.response.status_code} for {what}; try again later") from None
    except (ValueError, KeyError, TypeError) as error:  # a hotel's login page, a proxy's error page
        raise ModelError(
            f"what answered for {what} is not a hub ({type(error).__name__}); check HF_ENDPOINT and the proxy"
        ) from None
    except (errors.OfflineModeIsEnabled, errors.HTTPError, OSError) as error:  # type: ignore[attr-defined]
        if doing == "asking":
            raise UnreachableError(f"{what} is not on this machine, and the hub cannot be asked. {ways}") from None
        first = str(error).strip().split("\n")[0]
        raise ModelError(
            f"the download of {what} was interrupted ({first}); run it again to resume: "
            f"the files that are complete are kept"
        ) from None
