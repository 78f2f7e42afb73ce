"""A hosting service's REST API: requests that are repeated within bounds, pages, and refusals in words.

Everything is repeated, writes too: a comment, an issue or a check that was made twice is found and taken away by who
made it (`keeping`), and a lost one is worse.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from billing_as_code import __version__
from billing_as_code.errors import HostingError
from billing_as_code.model import Json

TRIES = 5
LONGEST_WAIT = 90.0
"""Seconds that one wait may take, whatever the service asks for: a pipeline's minutes are paid for."""
PAGE = 100
MOST_PAGES = 100
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))


class Rest:
    """A connection. `headers` carry the token, which is sent to `url` and nowhere else: redirects are not followed.

    `name` is the service's, for messages; `remedies` say for a status what would be right. `wait_of` tells, from an
    answer's status, headers and body, for how many seconds it asks; None where it asks for no wait.
    """

    def __init__(
        self,
        name: str,
        url: str,
        headers: Mapping[str, str],
        *,
        remedies: Mapping[int, str],
        wait_of: Callable[[int, Mapping[str, str], str], float | None],
    ) -> None:
        self.name, self.url, self._remedies, self._wait_of = name, url, remedies, wait_of
        timeout = httpx.Timeout(30.0, connect=10.0)
        try:
            self._http = httpx.Client(
                base_url=url,
                headers={"user-agent": f"bac/{__version__}", **headers},
                timeout=timeout,
                follow_redirects=False,
                verify=not url.startswith("http://"),  # certificates take a tenth of a second to load
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise HostingError(f"{name}: {url!r} is no address, or the token holds what no token has") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> Json:
        """GET, decoded. Raises HostingError."""
        return self._sent("GET", path, query=query)

    def send(self, method: str, path: str, body: Json = None, *, gone: bool = False) -> Json:
        """POST, PUT, PATCH or DELETE, decoded; None where the answer is empty. With `gone` a 404 is as good as done.
        Raises HostingError."""
        return self._sent(method, path, body=body, gone=gone)

    def pages(self, path: str, items: str = "", **query: str | int) -> Iterator[Mapping[str, Any]]:
        """Every item of a list, page by page; `items` names the field that holds them. Raises HostingError."""
        for number in range(1, MOST_PAGES + 1):
            answer = self.get(path, **query, per_page=PAGE, page=number)
            found = answer.get(items) if items and isinstance(answer, Mapping) else answer
            if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
                raise HostingError(f"{self.name} answered GET {path} with something that is no list")
            yield from found
            if len(found) < PAGE:
                return
        raise HostingError(
            f"{self.name} has more than {MOST_PAGES * PAGE:,} entries at {path}, which is too many to read"
        )

    # -- one request, and again -----------------------------------------------------------------------------------

    def _sent(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Json = None,
        gone: bool = False,
    ) -> Json:
        name = f"{method} {path}"
        for attempt in range(1, TRIES + 1):
            response, trouble = self._once(method, path, query, body)
            if response is not None and response.is_success:
                return self._parsed(name, response)
            if response is not None and gone and response.status_code == 404:
                return None
            wait = self._wait(response, attempt)
            if wait is None or attempt == TRIES:
                raise self._refused(name, response, trouble)
            if wait > LONGEST_WAIT:
                raise HostingError(
                    f"{self.name} asks to wait for {wait:,.0f} seconds ({name}), its rate limit is used up. "
                    "Run the job again then",
                    response.status_code if response is not None else 0,
                )
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(
        self, method: str, path: str, query: Mapping[str, str | int] | None, body: Json
    ) -> tuple[httpx.Response | None, str]:
        try:
            # the path as it is: segments are encoded by who made it
            return self._http.request(method, path, params=dict(query) if query else None, json=body), ""
        except httpx.TimeoutException:
            return None, "no answer in time"
        except httpx.HTTPError as error:
            return None, f"no answer ({type(error).__name__}: {error})"

    def _wait(self, response: httpx.Response | None, attempt: int) -> float | None:
        usual = float(min(20.0, 0.5 * 2**attempt) * random.uniform(0.5, 1.0))
        if response is None:
            return usual
        asked = self._wait_of(response.status_code, response.headers, response.text)
        if asked is not None:
            return asked
        return usual if response.status_code in _AGAIN else None

    def _refused(self, name: str, response: httpx.Response | None, trouble: str) -> HostingError:
        if response is None:
            return HostingError(f"{self.name} at {self.url} gave {trouble} ({name})")
        status = response.status_code
        said = _message(response) or response.reason_phrase
        if 300 <= status < 400:
            said = f"it has moved to {response.headers.get('location', 'somewhere')}"
        remedy = self._remedies.get(status, "")
        return HostingError(f"{self.name} answered {status} to {name}: {said}{f'. {remedy}' if remedy else ''}", status)

    def _parsed(self, name: str, response: httpx.Response) -> Json:
        if not response.content.strip():
            return None
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            start = response.content[:60].decode(errors="replace").strip()
            raise HostingError(
                f"{self.name} at {self.url} answered {name} with something that is no JSON, it starts with {start!r}. "
                "Is there a proxy in front of it?",
                response.status_code,
            ) from error


def _message(response: httpx.Response) -> str:
    """The service's own words, one line of them."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return ""
    said = body.get("message") or body.get("error") if isinstance(body, Mapping) else None
    return str(said).split("\n", 1)[0][:300] if said else ""
