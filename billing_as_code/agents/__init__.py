"""What an AI agent may do, over MCP: a thin adapter over the service, as the command line is for people.

`server.build` makes a server of one environment; its tools are methods of small classes (`looking`, `planning`,
`counting`) that take typed arguments and return values of `shapes`. `tools` is what stands around every call: arguments
that are not known are refused, a failure is an answer that says what to do next, and text that others wrote comes back
as data.

This room costs a second to import, so that nothing else imports it but the command that serves it.
"""
