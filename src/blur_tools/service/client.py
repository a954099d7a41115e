"""`Service`: calls to one web service, with retries, pacing and one error class for each way to fail."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, ReadTimeoutError

from blur_tools._cuts import BodyTooSlowError, cut_at
from blur_tools._http import BodyTooLargeError, OneHopSession, read_body
from blur_tools._stop import finishing, proceed
from blur_tools.errors import (
    AnswerError,
    BadRequestError,
    ForbiddenError,
    ServiceError,
    ServiceTimeoutError,
    SettingsError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
    UnreachableError,
)
from blur_tools.service.pacing import MOST_RETRIES, RETRIED, pacer_for, retry_delay, said_seconds
from blur_tools.sources import MAX_BYTES, USER_AGENT, is_url, without_secrets

__all__ = ["CONNECT_TIMEOUT", "READ_TIMEOUT", "Service", "is_token"]

CONNECT_TIMEOUT, READ_TIMEOUT, TOTAL_TIMEOUT = 10.0, 60.0, 300.0
"""Seconds to connect, without a sign of life, and for a whole answer."""

LARGEST_ANSWER = 2 * MAX_BYTES
"""Bytes: a picture in base64 takes a third more than its file."""

LONGEST_SAID = 300
"""Characters of a service's own words that a message repeats."""

_BY_STATUS: Mapping[int, type[ServiceError]] = {
    400: BadRequestError,
    401: ForbiddenError,
    403: ForbiddenError,
    413: TooLargeError,
    429: ThrottledError,
}
_ADVICE: Mapping[type[ServiceError], str] = {
    ForbiddenError: "check the token and the account's credits",
    TooLargeError: "give the engine a smaller upload_limit",
    ThrottledError: "give the engine a lower rate",
}

Fields = Sequence[tuple[str, str]]
Files = Sequence[tuple[str, tuple[str, bytes]]]


class _Token(AuthBase):
    """As the API wants it. An auth object, since requests would let a netrc file override a plain header."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


@dataclass(frozen=True)
class _Failure:
    """A try that did not succeed: the error it would be, and whether another may be made."""

    error: ServiceError
    again: bool


class Service:
    """Calls to one web service. May be used by several threads: each has its own session.

    Parameters
    ----------
    address : str
        An http(s) URL without user and password; errors name it without its query.
    token : str, optional
        Sent as ``Authorization: Token …``; never in a message, a repr or a log.
    rate : float, optional
        Calls a second, counted over all threads and all services of this address; by default unlimited.
    retries : int
        Further tries after 429, 502, 503, 504 and broken connections. A call that timed out is not repeated:
        it may have been counted (so may one whose connection broke off, which is seldom).
    timeout : float
        Seconds without a sign of life.
    total : float
        Seconds for a whole call.

    Raises
    ------
    SettingsError
        A bad value.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        rate: float | None = None,
        retries: int = MOST_RETRIES,
        timeout: float = READ_TIMEOUT,
        total: float = TOTAL_TIMEOUT,
    ) -> None:
        self.address = _checked_address(address)
        self.shown = without_secrets(address)
        self._token = _checked_token(token)
        if rate is not None:
            _check_number("rate", rate, "calls a second")
        _check_number("timeout", timeout, "seconds")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise SettingsError("retries", f"{retries!r} is not a number of tries")
        self._retries, self._timeout, self._total = retries, timeout, total
        self._pacer = pacer_for(address, rate)
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"Service({self.shown!r})"

    @property
    def has_token(self) -> bool:
        """Whether calls carry a token."""
        return bool(self._token)

    def post(self, about: str, fields: Fields, files: Files = (), *, url: str | None = None) -> dict[str, Any]:
        """Send a form and give the answer's JSON object.

        Parameters
        ----------
        about : str
            What it is asked for, as errors say it: a picture's path, URL or name.
        fields : sequence of (name, text)
            Repeated names repeat the field.
        files : sequence of (name, (file name, bytes))
            With any the form is multipart, else urlencoded.
        url : str, optional
            Another one than the address itself.

        Raises
        ------
        ServiceError
            One of its subclasses, by what happened.
        """
        return self._call("POST", url or self.address, about, data=list(fields), files=list(files) or None)

    def get(self, url: str) -> dict[str, Any]:
        """Ask for the JSON object at a URL; errors as of `post`."""
        return self._call("GET", url, without_secrets(url))

    def _call(self, method: str, url: str, about: str, **body: Any) -> dict[str, Any]:
        tried = 0
        while True:
            proceed()
            self._pacer.wait()
            outcome = self._try(method, url, about, body)
            if not isinstance(outcome, _Failure):
                return outcome
            tried += 1
            delay = retry_delay(tried, outcome.error.retry_after, self._retries) if outcome.again else None
            if delay is None:
                raise outcome.error
            self._pacer.pause(delay)

    def _try(self, method: str, url: str, about: str, body: dict[str, Any]) -> dict[str, Any] | _Failure:
        deadline = time.monotonic() + self._total
        # a redirect would hand picture and token to somebody else
        options: dict[str, Any] = {
            "stream": True,
            "allow_redirects": False,
            "timeout": (min(CONNECT_TIMEOUT, self._total), self._timeout),
        }
        # "from None" and no cause: they hold the request, with its picture and token
        try:
            with (
                finishing(),
                cut_at(deadline),
                self._session().request(method, url, auth=_Token(self._token), **options, **body) as response,
            ):
                data = read_body(response, LARGEST_ANSWER, deadline)
        except (requests.ReadTimeout, ReadTimeoutError, BodyTooSlowError):
            return _Failure(ServiceTimeoutError(about, f"{self.shown} did not answer in time"), False)
        except BodyTooLargeError:
            return _Failure(AnswerError(about, f"{self.shown} answered more than {LARGEST_ANSWER:,} bytes"), False)
        except (requests.RequestException, HTTPError, OSError) as error:
            if time.monotonic() > deadline:  # the cut looks like a connection that broke
                return _Failure(ServiceTimeoutError(about, f"{self.shown} did not answer in time"), False)
            if isinstance(error, requests.exceptions.SSLError) and not isinstance(_innermost(error), ssl.SSLEOFError):
                reason = f"{self.shown} has a certificate that is not trusted, or no TLS"
                return _Failure(UnreachableError(about, reason), False)
            return _Failure(UnreachableError(about, f"{self.shown} cannot be reached: {_why(error)}"), True)
        return self._judged(response, data, about)

    def _judged(self, response: requests.Response, data: bytes, about: str) -> dict[str, Any] | _Failure:
        status = response.status_code
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        said = self._words(answer)
        if 200 <= status < 300:
            if not isinstance(answer, dict):
                reason = f"{self.shown} answered {status} with something that is no JSON object"
                return _Failure(AnswerError(about, reason, status), False)
            if said and ("error" in answer or not answer.keys() & {"plates", "results", "version", "usage"}):
                return _Failure(AnswerError(about, f"{self.shown} answered {said}", status), False)
            return answer
        kind = _BY_STATUS.get(status) or (UnavailableError if status >= 500 else AnswerError)
        reason = f"{self.shown} answered {status}: {said or self.scrubbed(response.reason or '') or 'without a word'}"
        if advice := _ADVICE.get(kind):
            reason = f"{reason.rstrip('.')}; {advice}"
        elif kind is AnswerError:
            reason = f"{reason.rstrip('.')}; is that the address of the service?"
        again = status in RETRIED
        return _Failure(kind(about, reason, status, said_seconds(response.headers, said) if again else None), again)

    def scrubbed(self, text: str) -> str:
        """Text of a service as a message may repeat it: short, on one line, and without our token."""
        if self._token:
            text = text.replace(self._token, "…")
        text = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
        return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}…"

    def _words(self, answer: Any) -> str:
        """What the service says in ``error`` or ``detail``."""
        said = (answer.get("error") or answer.get("detail")) if isinstance(answer, dict) else None
        if not said:
            return ""
        return self.scrubbed(said if isinstance(said, str) else json.dumps(said))

    def _session(self) -> requests.Session:
        # requests does not promise that a session may be shared by threads
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = OneHopSession()
            session.headers["User-Agent"] = USER_AGENT
            # what is asked of this machine must not travel through a proxy
            session.trust_env = not _is_loopback(urlsplit(self.address).hostname or "")
            self._local.session = session
        return session


def _checked_address(address: str) -> str:
    if not is_url(address):
        raise SettingsError("url", f"{without_secrets(str(address))!r} is no http or https URL")
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", address):
        raise SettingsError("url", f"{without_secrets(address)!r} is no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("url", "holds a user or a password, which the API does not know; give token= instead")
    return address


def _checked_token(token: str | None) -> str | None:
    if token is None:
        return None
    # never repeated in the message
    if not isinstance(token, str) or not is_token(token.strip()):
        raise SettingsError("token", "is not a token: one word of printable ASCII is needed")
    return token.strip()


def is_token(text: str) -> bool:
    """Whether a header can carry it as a token: one word of printable ASCII."""
    return re.fullmatch(r"[\x21-\x7e]+", text) is not None


def _check_number(name: str, value: Any, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise SettingsError(name, f"{value!r} is not a number of {unit}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _why(error: BaseException) -> str:
    """The innermost cause in words, without the request that some errors repeat."""
    error = _innermost(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        inner = getattr(inner, "reason", None) if not isinstance(inner, BaseException) else inner
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner
