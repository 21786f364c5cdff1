"""How the page is served, from the flags of the command `web`."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from collections.abc import Mapping
from typing import Any, get_type_hints

from neural_style.config import byte_sizes
from neural_style.config.config import OPTIONS
from neural_style.config.fields import Option, option
from neural_style.errors import UsageError

AUTH_VARIABLE = "NEURAL_STYLE_AUTH"
"""Environment variable: the value of `--auth`, which other users of the machine cannot see there."""

FIRST_PORT, PORTS = 7860, 20
"""The port that is tried first if none is asked for, and how many are tried."""

LEAST_SIDE, USUAL_SIDE = 128, 512
"""Longer side of a result in pixels: the least, and what the page begins with."""


@dataclasses.dataclass(frozen=True)
class Served:
    """How the page is served.

    Raises:
        UsageError: a value makes no sense, or would let strangers in unasked.
    """

    host: str = option(
        "Page",
        "Address to listen on. Only this machine can reach 127.0.0.1. Another one needs --auth or --no_auth.",
        "127.0.0.1",
    )
    port: int | None = option(
        "Page",
        f"Port to listen on. By default the first free one from {FIRST_PORT} on.",
        None,
        bounds="1 to 65535",
    )
    auth: str | None = option(
        "Page",
        f"USER:PASSWORD that visitors must enter. Better set ${AUTH_VARIABLE}, which other users do not see.",
        None,
    )
    no_auth: bool = option("Page", "Let everyone in who can reach the address.", False)
    allow_host: str | None = option(
        "Page",
        "Name by which visitors reach the page, such as that of a proxy, if it is none of this machine's own.",
        None,
    )
    open: bool = option("Page", "Open the page in the browser.", False)
    weights: str = option("Page", OPTIONS["weights"].help, OPTIONS["weights"].default)
    device: str = option("Page", OPTIONS["device"].help, OPTIONS["device"].default)
    precision: str = option("Page", OPTIONS["precision"].help, OPTIONS["precision"].default)
    memory: str = option("Page", OPTIONS["memory"].help, OPTIONS["memory"].default)
    max_side: int = option("Page", "Longest side of a result in pixels.", 2048, bounds=f">= {USUAL_SIDE}")
    max_pixels: int = option("Page", "Most pixels that a picture of a visitor may have.", 64_000_000, bounds=">= 1")
    max_upload: str = option("Page", "Largest file that a visitor may send, such as 100MB.", "100MB")
    max_jobs: int = option("Page", "Most pictures that may wait or be painted at a time.", 100, bounds="1 to 10000")

    def __post_init__(self) -> None:
        """Check the values."""
        for name, declared in FLAGS.items():
            object.__setattr__(self, name, declared.checked(getattr(self, name)))
        if self.auth is not None and not all(self.auth.partition(":")):
            raise UsageError("auth: expected USER:PASSWORD, got no such pair; give both, with a colon between them")
        if self.auth is not None and self.no_auth:
            raise UsageError("no_auth: expected no user and password beside it, got both; leave one out")
        if self.is_public and self.auth is None and not self.no_auth:
            place = self.host if self.allow_host is None else self.allow_host
            raise UsageError(
                f"host: expected a user and a password for an address that others can reach, got {place!r} alone; "
                f"set ${AUTH_VARIABLE} to USER:PASSWORD, or add --no_auth to let everyone in"
            )
        _ = self.upload_bytes

    @property
    def is_public(self) -> bool:
        """Whether others can reach the page, by its address or by a name that a proxy gives it."""
        return not is_loopback(self.host) or self.allow_host is not None

    @property
    def upload_bytes(self) -> int:
        """Size in bytes of the largest file that a visitor may send.

        Raises:
            UsageError: it is no size.
        """
        size = byte_sizes.parse(self.max_upload, "max_upload")
        if size is None:
            raise UsageError(f"max_upload: expected a size such as 100MB, got {self.max_upload!r}")
        return size

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password; None if everyone may come in."""
        if self.auth is None:
            return None
        user, _, password = self.auth.partition(":")
        return user, password


FLAGS: Mapping[str, Option] = {
    field.name: Option.of(field, get_type_hints(Served)[field.name]) for field in dataclasses.fields(Served)
}
"""Flag of the command `web` -> what it is."""


def served(values: Mapping[str, Any]) -> Served:
    """Return how the page is served, from the flags that are given and the environment.

    Raises:
        UsageError: see `Served`.
    """
    from_environment = os.environ.get(AUTH_VARIABLE)
    if from_environment and not {"auth", "no_auth"} & {*values}:
        values = {**values, "auth": from_environment}
    return Served(**values)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
