"""The command line: parse, call the service, render. Whatever costs time to import is imported inside commands."""

from billing_as_code.cli.check import doctor
from billing_as_code.cli.ci import ci
from billing_as_code.cli.compare import diff
from billing_as_code.cli.expect import test
from billing_as_code.cli.feed import ingest
from billing_as_code.cli.group import main, program
from billing_as_code.cli.impact import impact
from billing_as_code.cli.look import list_, show
from billing_as_code.cli.own import owner
from billing_as_code.cli.pull import pull
from billing_as_code.cli.review import approve, audit, proposals, reject
from billing_as_code.cli.run import apply
from billing_as_code.cli.serve import mcp
from billing_as_code.cli.start import dev, init
from billing_as_code.cli.tell import completion, explain, schema, version
from billing_as_code.cli.view import drift, plan, render, validate

for command in (
    init,
    validate,
    test,
    plan,
    apply,
    drift,
    diff,
    render,
    impact,
    pull,
    show,
    list_,
    owner,
    proposals,
    approve,
    reject,
    audit,
    ingest,
    mcp,
    ci,
    doctor,
    dev,
    explain,
    schema,
    completion,
    version,
):
    main.add_command(command)

__all__ = ["main", "program"]
