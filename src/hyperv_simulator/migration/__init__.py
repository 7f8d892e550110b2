"""Machines on the move: to another simulated host, or their files to another folder.

``request`` is what a client asks for, ``permission`` whether hosts let it happen, ``relocation`` which files go where,
``transfer`` the way of a machine from one host to another, ``local_move`` that of files on one host. ``neighbours`` is
how hosts find each other: those of one simulator do; any other name is that of a host that can't be reached.

Rule: at every moment a machine is whole at exactly one host; whatever fails or is cancelled before the last step leaves
it where it was.
"""
