"""One environment, open: what every other thing that a user can do starts from."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from billing_as_code import executor
from billing_as_code.catalog import Catalog
from billing_as_code.client import OpenMeter
from billing_as_code.config import Config, Environment
from billing_as_code.gate.audit import Audit
from billing_as_code.gate.proposals import Proposals
from billing_as_code.gate.quorum import Quorum
from billing_as_code.gate.store import FileStore
from billing_as_code.journal import Runs
from billing_as_code.kinds import ASKED, KINDS
from billing_as_code.kinds.base import Kind
from billing_as_code.model import Json
from billing_as_code.plan import Target


@dataclass
class Outcome:
    """How an apply ended. `loose` are (address, text) pairs that the closing read found not to be as declared."""

    tally: executor.Tally = field(default_factory=executor.Tally)
    loose: list[tuple[str, str]] = field(default_factory=list)
    halved: int = 0

    @property
    def whole(self) -> bool:
        return not (self.tally.failed or self.tally.blocked or self.loose)


@dataclass
class Session:
    """One environment, open: its connection and what has been learnt over it."""

    config: Config
    environment: Environment
    client: OpenMeter
    target: Target
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    now: Callable[[], datetime] = field(default_factory=lambda: _utc)
    catalog: Catalog | None = None
    outcome: Outcome = field(default_factory=Outcome)
    who: str = field(default_factory=lambda: _user())
    """Who uses it, for the audit trail: a label, and no proof."""

    @property
    def every(self) -> Mapping[str, Kind]:
        """All kinds that a plan may speak of: those of a catalog, and those that only a proposal asks for."""
        return {**self.kinds, **ASKED}

    @property
    def seconds(self) -> int:
        """The time, in seconds since 1970."""
        return int(self.now().timestamp())

    @property
    def proposals(self) -> Proposals:
        """The proposals that are kept beside bac.yaml, as they stand now."""
        quorum = Quorum(self.environment.approvals, self.environment.self_approval)
        return Proposals(FileStore(self.config.state / "proposals"), self.seconds, quorum)

    @property
    def audit(self) -> Audit:
        """The trail of who did what."""
        return audit_of(self.config)

    def note(self, what: str, **facts: Json) -> None:
        """Add an entry to the audit trail. Raises UsageError where that cannot be."""
        at = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        target = {"environment": self.target.environment, "url": self.target.url, "owner": self.target.owner}
        self.audit.append({"at": at, "what": what, "who": self.who, **target, **facts})

    @property
    def runs(self) -> Runs:
        return Runs(self.config.root / ".bac" / "runs")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()


def audit_of(config: Config) -> Audit:
    """The trail that is kept beside bac.yaml."""
    return Audit(config.state / "audit.jsonl")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _utc() -> datetime:
    return datetime.now(UTC)


def address(environment: Environment) -> str:
    """What a plan and a journal call the environment's OpenMeter: its url, or the embedded server's database."""
    return environment.url or f"embedded:.bac/{environment.name}.db"


def open_session(config: Config, environment: Environment, *, transport: Any = None) -> Session:
    """Connect to an environment; nothing is asked yet. Without a url it is the embedded server, its data in `.bac/`."""
    url = address(environment)
    if environment.url is None:
        data = config.root / ".bac" / f"{environment.name}.db"
        client = _embedded(data) if transport is None else OpenMeter("http://openmeter.test", transport=transport)
    else:
        client = OpenMeter(
            url, token=environment.token(os.environ), transport=transport, timeout=environment.timeout, connections=32
        )
    return Session(config, environment, client, Target(environment.name, url, config.owner))


def _embedded(data: Path) -> OpenMeter:
    from billing_as_code.client import in_process
    from billing_as_code.devserver import create_app

    data.parent.mkdir(parents=True, exist_ok=True)
    app = create_app(data)
    return OpenMeter("http://embedded.openmeter", transport=in_process(app, app.config["DATABASE"].close))
