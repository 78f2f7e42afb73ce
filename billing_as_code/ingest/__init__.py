"""Usage events on their way to OpenMeter: read from files, checked line by line, given ids, sent in batches.

`sources` reads lines and rows, `columns` says which column is what, `checking` makes events of them and refuses what
OpenMeter would refuse, `counting` watches for what no meter will count, `sending` sends, and `sent` remembers what was
accepted.
"""
