"""Who may ask, how often, how much at once, and which files a request can name."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from blur_tools._parameters import LOGO_FOLDER
from blur_tools.errors import SettingsError

__all__ = ["Budget", "Share", "Throttle", "logo_file", "may_pass"]

MOST_CLIENTS = 10_000
"""Clients that are remembered; beyond, those are forgotten that may call again soonest."""

NETWORK = 64
"""Bits of an IPv6 address that make a client: the rest are its own to choose."""


def may_pass(authorization: str | None, token: str | None) -> bool:
    """Whether a request's ``Authorization`` header carries the token that is required, if any.

    Compared in constant time, so that its time tells nothing of the token.
    """
    if token is None:
        return True
    given = (authorization or "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, f"Token {token}".encode())


class Throttle:
    """Counts each client's calls against a rate.

    Parameters
    ----------
    rate : float or None
        Calls a second; None is without limit.
    clock : callable
        Seconds that only go forwards.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 0.0 if rate is None else 1 / rate
        self._clock = clock
        self._free: OrderedDict[str, float] = OrderedDict()  # by the moment

    def delay(self, client: str) -> float:
        """Seconds until the client may call; 0 lets this call pass and counts it."""
        if not self._interval:
            return 0.0
        now, client = self._clock(), _network(client)
        free = self._free.get(client, now)
        if free > now:
            return free - now
        self._free[client] = now + self._interval
        self._free.move_to_end(client)
        if len(self._free) > MOST_CLIENTS:
            self._free.popitem(last=False)
        return 0.0


def _network(client: str) -> str:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(address.ipv4_mapped or ipaddress.ip_network((address, NETWORK), strict=False))


@dataclass
class Share:
    """Bytes of a `Budget` that one request holds."""

    budget: Budget
    held: int

    def keep(self, amount: int) -> None:
        """Hold so many bytes from now on, if it is more."""
        spare, self.held = max(0, self.held - amount), min(self.held, amount)
        self.budget.give_back(spare)


class Budget:
    """Bytes that requests may hold at once; who asks for more than is left waits, first come, first served."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._turn = asyncio.Lock()
        self._more = asyncio.Event()

    @asynccontextmanager
    async def take(self, amount: int) -> AsyncIterator[Share]:
        """Hold so many bytes, at most all there are; `Share.keep` gives some of them back."""
        share = Share(self, min(amount, self._size))
        # one waits at the front, so that small requests do not pass a large one for ever
        async with self._turn:
            while self._left < share.held:
                self._more.clear()
                await self._more.wait()
            self._left -= share.held
        try:
            yield share
        finally:
            share.keep(0)

    def give_back(self, amount: int) -> None:
        """Let others have so many bytes."""
        self._left += amount
        self._more.set()


def logo_file(name: str, folder: Path) -> Path:
    """The file that a path in ``/logos`` names.

    Parameters
    ----------
    name : str
        As a request has it, ``/logos/…``.
    folder : Path
        What ``/logos`` stands for; links out of it are not followed.

    Raises
    ------
    SettingsError
        There is no such file in the folder.
    """
    try:
        root = folder.resolve()
        path = (root / name.removeprefix(LOGO_FOLDER)).resolve()
        inside = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise SettingsError("logo", f"there is no file {name[:100]}")
    return path
