"""One comment, or one issue, however many jobs write it and however often they are run again."""

from __future__ import annotations

from billing_as_code.ci.hosting import Mark, Post, Run, Thread


def keep_one(thread: Thread, mark: Mark, title: str, body: str) -> bool:
    """Let the one that bears this mark say `body`; it is made where there is none. Whether it says so then.

    Two jobs that both find none both write one: so each looks again afterwards, the oldest stays, and it says what the
    later run says. What a later run wrote is left alone. Raises HostingError.
    """
    text = f"{mark.line()}\n{body}"
    found = find(thread, mark)
    if not found:
        thread.write(title, text)
        found = find(thread, mark)
    if not found:  # a list that lags behind: it is there, and the next run finds it
        return True
    first, *others = found
    latest = max(found, key=lambda post: _run(mark, post))
    wanted = text if _run(mark, latest) <= mark.run else latest.body
    if first.body.strip() != wanted.strip():
        thread.edit(first, title, wanted)
    for other in others:
        thread.drop(other)
    return wanted == text


def _run(mark: Mark, post: Post) -> Run:
    return mark.run_of(post.body) or Run(0, 0)


def find(thread: Thread, mark: Mark) -> list[Post]:
    """Ours with this mark, the oldest first. Raises HostingError."""
    return sorted((p for p in thread.ours() if mark.run_of(p.body) is not None), key=lambda p: p.id)
