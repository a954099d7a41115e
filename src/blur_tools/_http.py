"""What every call of ours needs: a body within bounds, and connections that can be cut or stay on the open internet."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.poolmanager import ProxyManager

from blur_tools._cuts import BodyTooSlowError, expose, go_on
from blur_tools._stop import proceed

__all__ = [
    "BodyTooLargeError",
    "OneHopSession",
    "PrivateAddressError",
    "PublicAdapter",
    "TimedAdapter",
    "is_public",
    "read_body",
]

CHUNK = 1 << 16

MOST_ADDRESSES = 3
"""Addresses of one name that are tried; each can take as long as a connection may."""

_GIVEN_OUT = ipaddress.ip_network("2000::/3")
_DOCUMENTATION = ipaddress.ip_network("3fff::/20")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class BodyTooLargeError(Exception):
    """More bytes than allowed."""


class PrivateAddressError(Exception):
    """A name that leads into a private network, or to this machine; not worth another try, so no `OSError`."""


def read_body(response: requests.Response, max_bytes: int, deadline: float) -> bytes:
    """The body of a streamed answer.

    Parameters
    ----------
    response : requests.Response
        Made with ``stream=True``.
    max_bytes : int
        Of the body, unpacked.
    deadline : float
        `time.monotonic` when it must be complete.

    Raises
    ------
    BodyTooLargeError, BodyTooSlowError
        It is not within these bounds.
    urllib3.exceptions.HTTPError
        The connection broke or was silent for too long.
    """
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise BodyTooLargeError
    parts: list[bytes] = []
    size = 0
    # read1 gives what has come: a server that drips is given up at the deadline, not after the next 64 kB
    while part := response.raw.read1(CHUNK, decode_content=True):
        proceed()
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise BodyTooLargeError
        if time.monotonic() > deadline:
            raise BodyTooSlowError
    # a connection that was cut at the deadline ends like one that is complete
    if time.monotonic() > deadline:
        raise BodyTooSlowError
    return b"".join(parts)


class OneHopSession(requests.Session):
    """A session that follows no redirect: requests would read the body of one whole, whatever its size.

    `blur_tools._cuts.cut_at` holds for its connections.
    """

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, TimedAdapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, so that requests leaves the answer alone even where redirects are not to be followed."""
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, shared or multicast."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # addresses that carry one of IPv4 lead where that leads
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        # the only block that is given out; not all that lies outside it is known to Python as such
        if ip not in _GIVEN_OUT or ip in _DOCUMENTATION:
            return False
    return ip.is_global and not ip.is_multicast


class _Timed:
    """Lets `cut_at` reach a connection, also one that is used again."""

    _twin: socket.socket | None = None

    def _new_conn(self: Any) -> socket.socket:
        go_on()
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            # a twin, since TLS takes the socket itself over
            self._twin = connected.dup()
            self._expose()
        except BaseException:
            connected.close()
            raise
        return connected

    def request(self: Any, *args: Any, **options: Any) -> None:
        self._expose()
        super().request(*args, **options)  # type: ignore[misc]

    def send(self: Any, data: Any) -> None:
        # in pieces, since the time limit counts for all that is sent at once: a slow line is not a dead one
        if not isinstance(data, bytes) or len(data) <= CHUNK:
            super().send(data)  # type: ignore[misc]
            return
        whole = memoryview(data)
        for start in range(0, len(whole), CHUNK):
            super().send(whole[start : start + CHUNK])  # type: ignore[misc]

    def close(self: Any) -> None:
        super().close()  # type: ignore[misc]
        if self._twin is not None:
            self._twin.close()
            self._twin = None

    def _expose(self: Any) -> None:
        # another twin: a connection can be closed while its answer is still being read
        if self._twin is not None:
            expose(self._twin)


class _PublicOnly:
    """Makes a connection resolve its name itself and connect to nothing but the public addresses behind it."""

    def _new_conn(self: Any) -> socket.socket:
        # the name is resolved once, here: resolving it again to connect could give another answer
        name: str = self._dns_host
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"{name} has no address: {error}") from error
        public = list(dict.fromkeys(str(entry[4][0]) for entry in found if is_public(str(entry[4][0]))))
        if not public:
            raise PrivateAddressError
        try:
            connected: socket.socket = self._first_connected(public[:MOST_ADDRESSES])
            return connected
        finally:
            self._dns_host = name

    def _first_connected(self: Any, addresses: list[str]) -> Any:
        *others, last = addresses
        for address in others:
            self._dns_host = address
            with contextlib.suppress(HTTPError):
                return super()._new_conn()  # type: ignore[misc]
            go_on()
        self._dns_host = last
        return super()._new_conn()  # type: ignore[misc]


class _TimedHTTPConnection(_Timed, HTTPConnection):
    pass


class _TimedHTTPSConnection(_Timed, HTTPSConnection):
    pass


class _PublicHTTPConnection(_Timed, _PublicOnly, HTTPConnection):
    pass


class _PublicHTTPSConnection(_Timed, _PublicOnly, HTTPSConnection):
    pass


class _TimedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _TimedHTTPSConnection


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


class TimedAdapter(HTTPAdapter):
    """A transport whose connections `cut_at` reaches, through a proxy too."""

    pools: ClassVar[dict[str, type]] = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As `HTTPAdapter`, with connections of ours."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        """As `HTTPAdapter`, with connections of ours."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # whose connections are its own
            manager.pool_classes_by_scheme = self.pools
        return manager


class PublicAdapter(TimedAdapter):
    """A transport that reaches public addresses only, redirects included; its session must not use a proxy."""

    pools: ClassVar[dict[str, type]] = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
