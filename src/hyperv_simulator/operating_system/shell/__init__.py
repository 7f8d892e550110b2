"""Command lines, as Windows' own programs answer them: one file per family of programs.

What lives here and only here: what is typed and what is printed. What a command changes is changed in the parts of
``operating_system``, so that CIM shows it too. A program that is not listed in ``interpreter`` is not there, and cmd
says so; PowerShell is among those.

Sources: the output of these programs on Windows Server with English texts, from Microsoft's command reference and from
what their users published; wording that no source shows is an assumption.
"""
