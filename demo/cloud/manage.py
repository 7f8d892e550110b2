"""Runs several commands of one OpenStack ``*-manage`` program with one start of Python.

``python -m demo.cloud.manage nova.cmd.manage -- api_db sync -- db sync``: the module is imported once, then each
command runs its ``main`` in a fork. Importing takes longer than most of the commands.
"""

import importlib
import itertools
import os
import sys


def main() -> None:
    module_name, *words = sys.argv[1:]
    module = importlib.import_module(module_name)
    commands = [list(group) for is_mark, group in itertools.groupby(words, lambda word: word == "--") if not is_mark]
    for command in commands:
        print(f"=== {module_name} {' '.join(command)}", flush=True)
        child = os.fork()
        if not child:
            sys.argv = [module_name, *command]
            sys.exit(module.main())
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
