"""What `bac.yaml` says, as values; and the choice of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from billing_as_code.catalog.spelling import Spelling
from billing_as_code.config.policy import AgentPolicy
from billing_as_code.errors import UsageError

FILE = "bac.yaml"
STATE = ".bac"
"""The folder beside `bac.yaml` for what commands keep: data of embedded servers, journals of runs, a lock."""
VARIABLE = "BAC_ENV"


@dataclass(frozen=True, slots=True)
class Environment:
    """One OpenMeter. Without a `url` it is the embedded server, whose data stands in `.bac/<name>.db`.

    `propose` is "git" where proposals are commits for pull requests, which alone change it; "here" otherwise.
    `approvals` is how many people must approve a proposal, and `self_approval` whether whoever proposed may be one.
    `token_env` names the environment variable that holds the token. `reads`, `wide` and `narrow` say how many requests
    run at a time: reads, writes, and those writes that OpenMeter cannot take many of. `timeout` is in seconds.
    """

    name: str
    url: str | None = None
    token_env: str | None = None
    require_approval: bool = False
    approvals: int = 1
    self_approval: bool = True
    propose: str = "here"
    reads: int = 8
    wide: int = 8
    narrow: int = 2
    timeout: float = 30.0
    agents: AgentPolicy = field(default_factory=AgentPolicy)

    @property
    def embedded(self) -> bool:
        return self.url is None

    def token(self, environ: Mapping[str, str]) -> str | None:
        """The token to send, None where the environment needs none; UsageError where it is not set."""
        if self.token_env is None:
            return None
        token = environ.get(self.token_env, "").strip()
        if not token:
            raise UsageError(
                f"environment {self.name} takes its token from {self.token_env}, which is not set. "
                f"Set it: export {self.token_env}=..."
            )
        if not (token.isascii() and token.isprintable()):
            raise UsageError(f"{self.token_env} holds characters that no token has. Set it again")
        return token


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one apply may do before it asks for `--force`: deletes, and the share of what exists in percent."""

    deletes: int = 5
    changed_share: Decimal = Decimal(30)


@dataclass(frozen=True, slots=True)
class Config:
    """`bac.yaml`. `root` is its folder, `catalog` the catalog's; environments are in the order of the file.

    `formerly` are names that `owner` had, or has taken over: what carries one is ours.
    """

    root: Path
    catalog: Path
    owner: str
    environments: Mapping[str, Environment]
    limits: Limits = field(default_factory=Limits)
    ignore: tuple[str, ...] = ()
    exclusive: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    formerly: frozenset[str] = frozenset()

    @property
    def state(self) -> Path:
        """The folder for what commands keep."""
        return self.root / STATE

    def data(self, environment: Environment) -> Path:
        """The database of an embedded server."""
        return self.state / f"{environment.name}.db"


def select(config: Config, name: str | None, environ: Mapping[str, str]) -> Environment:
    """The environment of a command: `name` (--env), else BAC_ENV, else the local one.

    Where CI is set one must be named, so that a forgotten flag never applies to a local server. Raises UsageError.
    """
    wanted, flag = (name, "--env") if name is not None else (environ.get(VARIABLE) or None, VARIABLE)
    known = config.environments
    if wanted is not None:
        if wanted in known:
            return known[wanted]
        meant = Spelling(known).remedy(wanted) or f"{FILE} has {', '.join(known)}"
        raise UsageError(f"{flag} {wanted!r}: there is no such environment ({meant})")
    example = next((n for n, e in known.items() if not e.embedded), next(iter(known)))
    if environ.get("CI", "").lower() not in ("", "0", "false"):
        raise UsageError(f"CI is set, so the environment must be named: --env {example}, or {VARIABLE}={example}")
    for environment in known.values():
        if environment.embedded or environment.name == "local":
            return environment
    raise UsageError(f"{FILE} has no local environment, so name one: --env {example}")
