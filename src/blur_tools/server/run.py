"""Start the server: for the command line, or beside a program."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn
from PIL import Image

from blur_tools.detections import Detection, box_polygon
from blur_tools.engines.local import LocalEngine
from blur_tools.errors import EngineError, SettingsError
from blur_tools.picture import load_picture
from blur_tools.pipeline import redact
from blur_tools.server.app import SEND_TIMEOUT, create_app
from blur_tools.server.config import ServerConfig
from blur_tools.settings import BlurSettings

__all__ = ["serve", "serving"]

logger = logging.getLogger("blur_tools.server")

MOST_CONNECTIONS = 1000
"""Clients at once; more are answered 503."""

BACKLOG = 512

LONGEST_GOODBYE = 180
"""Seconds in which what is under way is finished: a client that does not read must not hold the server for ever."""


def serve(config: ServerConfig) -> None:
    """Serve until SIGTERM or Ctrl-C; what is under way then is finished first.

    Raises
    ------
    SettingsError
        It cannot listen there, or its logo cannot be read.
    ModelError
        A network's weights are missing.
    """
    # only ours and the server's: other libraries' lines hold URLs with their secrets, and values of pictures
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("urllib3", "PIL", "python_multipart"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("blur_tools", "uvicorn"):
        logging.getLogger(name).setLevel(config.log_level)
    _load_models()
    with _listening(config) as listening:
        logger.info("the Blur API at %s", _address(listening))
        if not _is_loopback(config.host) and config.required_token is None:
            logger.warning("whoever reaches %s may use it; --require-token asks for a token", config.host)
        _server(config).run(sockets=[listening])


@contextlib.contextmanager
def serving(config: ServerConfig | None = None) -> Iterator[str]:
    """A server in a thread of this program, on a free port by default.

    Parameters
    ----------
    config : ServerConfig, optional
        How it is set up.

    Yields
    ------
    str
        Its address, for `blur_tools.engine`.

    Raises
    ------
    SettingsError, ModelError
        As for `serve`.
    EngineError
        It did not start for another reason.
    """
    config = config or ServerConfig(port=0)
    _load_models()
    with _listening(config) as listening:
        server = _server(config)
        thread = threading.Thread(target=server.run_beside, args=(listening,), name="blur_tools server")
        thread.start()
        try:
            server.settled.wait()
            if not server.started:
                raise EngineError("the server did not start; its log says why")
            yield _address(listening)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Says when it has started, or that it never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    def run_beside(self, listening: socket.socket) -> None:
        """In a thread, where its way to say that it cannot start would be lost."""
        try:
            with contextlib.suppress(SystemExit):
                self.run([listening])
        finally:
            self.settled.set()


def _load_models() -> None:
    """What is missing stops the server, not the first request; what is compiled is compiled now."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "JPEG")
    LocalEngine().detect(load_picture(picture.getvalue()), BlurSettings())
    redact(picture.getvalue(), [Detection("plate", box_polygon(8, 8, 40, 20))])


def _server(config: ServerConfig) -> _Server:
    return _Server(
        uvicorn.Config(
            create_app(config),
            log_config=None,
            log_level=config.log_level.lower(),
            access_log=False,  # it would hold the query, in which some clients put a token
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            proxy_headers=False,  # anybody could name another address
            ws="none",
            timeout_graceful_shutdown=LONGEST_GOODBYE,
        )
    )


def _listening(config: ServerConfig) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # with its protocol: asyncio sends at once only where the socket says that it is TCP
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError("host", f"{config.host} is no address of this machine: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # connections have it from here: what is closed but not read is not kept by the system for ever
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_TIMEOUT * 1000))
        listening.bind(address)
        # from here on clients wait instead of being refused
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingsError("port", f"cannot listen at {config.host}:{config.port}: {error.strerror}") from error
    return listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
