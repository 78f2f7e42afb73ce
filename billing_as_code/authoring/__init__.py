"""Writing catalogs: resources as YAML that a person would have written, and edits of files that keep all the rest."""

from billing_as_code.authoring.editing import edit
from billing_as_code.authoring.layout import Layout, declaration, files_of, header
from billing_as_code.authoring.scalars import unwritable
from billing_as_code.authoring.wanted import REMOVED, Edit, EditError

__all__ = [
    "REMOVED",
    "Edit",
    "EditError",
    "Layout",
    "declaration",
    "edit",
    "files_of",
    "header",
    "unwritable",
]
