"""``hyperv-simulator``: the command line.

What lives here and only here: options, what a person reads on the terminal, exit codes. Exit code 0: done, or ended
when asked to; 2: something in the options, in a file or on a machine prevents it, and a line on standard error says
what; 130: Ctrl-C. One file per group of commands; ``command`` puts them together.
"""

from hyperv_simulator.cli.command import main

__all__ = ["main"]
