"""Reading the catalog: files, layers, templates, validation, references. `load` is what the rest of `bac` asks."""

from billing_as_code.catalog.load import Catalog, addresses, load, load_all

__all__ = ["Catalog", "addresses", "load", "load_all"]
