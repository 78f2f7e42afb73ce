"""The review gate: what stands between whoever proposes a change and the environment that it would change.

* `edits`      what a catalog is to say, laid over it in memory
* `store`      documents that are written once: proposals, decisions, claims
* `proposals`  a plan that waits for a decision, and how it stands
* `passage`    whether a proposal may be applied, and why not
* `declaring`  edits in the catalog's files
* `decisions`  what an approver signs, and whether a signature counts
* `quorum`     how many people must approve, and whose approvals count together
* `approvers`  whose signatures count, and where that is written
* `sshsig`, `keys`  signatures in ssh's own format, made and checked
* `audit`      who did what and when, as a chain of hashes
* `repository` the little of git that all of it needs

The approval is checked where the token for writing is, against the bytes that will be applied. Everything else is
convenience.
"""
