"""The commands, one module per group. Arguments in, standard output and an exit code out.

`cli` registers the commands; each imports what it needs when it runs.
"""
