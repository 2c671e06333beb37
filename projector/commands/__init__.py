"""In: what is typed. Out: text on standard output, and an exit code. A module a group of commands.

They are made here and hung into the program by `cli`; what they need they import when they run.
"""
