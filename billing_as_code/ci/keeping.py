"""One comment, or one issue, however many jobs write it and however often they are run again."""

from __future__ import annotations

from billing_as_code.ci.hosting import Mark, Post, Thread


def keep_one(thread: Thread, mark: Mark, title: str, body: str) -> Post:
    """Let the one that bears this mark say `body`; it is made where there is none. What stands there then.

    Two jobs that both find none both write one: so each looks again afterwards, the oldest stays, and it says what the
    later run says. What a later run wrote is left alone. Raises HostingError.
    """
    text = f"{mark.line()}\n{body}"
    found = find(thread, mark)
    if not found:
        thread.write(title, text)
        found = find(thread, mark)
    if not found:  # a list that lags behind: it is there, and the next run finds it
        return Post(0, text)
    first, *others = found
    latest = max((p for p in found), key=lambda p: mark.run_of(p.body) or (0, 0))
    wanted = text if (mark.run_of(latest.body) or (0, 0)) <= mark.run else latest.body
    if first.body.strip() != wanted.strip():
        thread.edit(first, title, wanted)
    for other in others:
        thread.drop(other)
    return first._replace(body=wanted)


def find(thread: Thread, mark: Mark) -> list[Post]:
    """Ours with this mark, the oldest first. Raises HostingError."""
    return sorted((p for p in thread.ours() if mark.run_of(p.body) is not None), key=lambda p: p.id)
