"""A plan as one HTML file that fetches nothing: to be searched, filtered and linked into, by mouse or keyboard."""

from billing_as_code.render.html.page import page

__all__ = ["page"]
