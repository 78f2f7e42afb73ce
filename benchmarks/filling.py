"""Events straight into a dev server's database, in the order of their time: `python -m benchmarks.filling FILE EVENTS`.

They are as ingested ones would be; over HTTP a million of them would take minutes.
"""

from __future__ import annotations

import sys

from benchmarks.data import MODELS
from billing_as_code.devserver import create_app
from billing_as_code.devserver.eventparts import part_of

START = 1_793_491_200  # 2026-11-01T00:00:00Z
SECONDS = 20 * 86_400
FILL = """
INSERT INTO events (row_id, id, source, type, subject, time, data, ingested_at, stored_at, part, dedupe_key)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)
SELECT printf('01%024d', n), printf('event-%07d', n), 'benchmark', 'prompt', 'customer-' || (n % 500),
    :start + n * :seconds / :count,
    printf('{"model":"%s","tokens":%d}', CASE n % 3 WHEN 0 THEN :m0 WHEN 1 THEN :m1 ELSE :m2 END, n % 1000),
    :start + :seconds, :start + :seconds, :part, printf('benchmark-event-%07d', n)
FROM numbers
"""


def main() -> None:
    file, count = sys.argv[1], int(sys.argv[2])
    database = create_app(file).config["DATABASE"]
    models = {f"m{n}": model for n, model in enumerate(MODELS)}
    with database.write() as store:
        store.execute(
            FILL, {"count": count, "start": START, "seconds": SECONDS, "part": part_of(START, flush=1), **models}
        )
    database.close()


if __name__ == "__main__":
    main()
