"""The rules by which a machine's resources are added, changed and removed.

One file per kind of resource: ``storage``, ``network``, ``compute`` (memory, processors), ``ports`` (serial). ``rules``
is what they share, ``boot_sources`` keeps generation 2's boot entries in step, ``table`` says who judges what.
"""
