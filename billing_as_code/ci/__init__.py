"""What runs in a pipeline: the pull request's plan, the apply after its merge, and the nightly look for drift.

`jobs` says what happens, `hosting` is the port to whoever hosts the repository, and there is one file per service:
`github`, `gitlab`, and `shell` where there is none. Workflow files only call `bac ci`.
"""
