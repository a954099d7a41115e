"""``blur-tools serve``: its options, and starting it."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from blur_tools.errors import ExtraMissingError
from blur_tools.server.config import REQUIRED_VARIABLE, ServerConfig, server_parameters

__all__ = ["add_serve"]

DEFAULTS = ServerConfig()
DESCRIPTION = f"""\
Answer the Blur API's requests on this machine, at / and /v1/blur: point any Blur client at it. Nothing leaves the
machine, unless SDK_URL or TOKEN say that plates are asked of Snapshot.

Settings come from the environment under the vendor's names (PLATES, FACES, LOGO, SHAPE, REGIONS, CONFIG, SKIP_REGEXP,
CAMERA_ID, COPY_METADATA, FACE_MAX_RESOLUTION, SDK_URL, TOKEN, WORKERS, LOGGING); options override them, and a request
overrides both. Without PLATES and FACES, and nothing said in a request, pictures are searched but not changed.
Tokens are read from the environment alone, since other users can see a program's options: TOKEN for Snapshot Cloud,
{REQUIRED_VARIABLE} for --require-token."""


def add_serve(verbs: Any, add_parameter: Any) -> None:
    """Add the verb to the command line.

    Parameters
    ----------
    verbs : argparse's subparsers
        Where to.
    add_parameter : callable
        Adds the option of a `Parameter` to a group.
    """
    serve = verbs.add_parser(
        "serve",
        allow_abbrev=False,
        help="answer the Blur API's requests on this machine",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = serve.add_argument_group("the server")
    own.add_argument("--host", help=f"address to listen at (default {DEFAULTS.host}; 0.0.0.0 for all)")
    own.add_argument("--port", type=int, help=f"port (default {DEFAULTS.port}; 0 for a free one)")
    own.add_argument("--workers", type=int, help="pictures worked on at once (default: as many as cores)")
    own.add_argument("--max-bytes", type=int, help=f"largest upload (default {DEFAULTS.max_bytes:,})")
    own.add_argument("--max-pixels", type=int, help=f"largest picture (default {DEFAULTS.max_pixels:,})")
    own.add_argument(
        "--memory",
        type=int,
        help=f"bytes of uploads, fetched files and answers held at once (default {DEFAULTS.memory:,})",
    )
    own.add_argument("--rate", type=float, help="calls a second of each client (default: without limit)")
    own.add_argument("--require-token", action="store_true", help=f"refuse requests without ${REQUIRED_VARIABLE}")
    own.add_argument(
        "--allow-private-urls", action="store_true", help="fetch upload_url from private and loopback addresses too"
    )
    own.add_argument("--logos", type=Path, help=f"folder that /logos stands for (default {DEFAULTS.logos})")
    own.add_argument("--sdk-url", help="Snapshot SDK to ask for plates, such as http://localhost:8080")
    own.add_argument(
        "--snapshot-rate", type=float, help="calls a second to Snapshot (default: 1 for its cloud, else without limit)"
    )
    own.add_argument("--logging", dest="log_level", type=str.upper, help="DEBUG, INFO (default), WARNING or ERROR")
    defaults = serve.add_argument_group("what holds where a request says nothing")
    for parameter in server_parameters():
        add_parameter(defaults, parameter)
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    if any(find_spec(module) is None for module in ("fastapi", "uvicorn", "python_multipart", "regex")):
        raise ExtraMissingError("blur-tools serve", "server")
    from blur_tools.server.run import serve

    serve(_config(options))
    return 0


def _config(options: argparse.Namespace) -> ServerConfig:
    given = {name: value for name, value in vars(options).items() if name not in ("verb", "run", "require_token")}
    if options.require_token:
        given["required_token"] = os.environ.get(REQUIRED_VARIABLE, "").strip()
    return ServerConfig.of(**given)
