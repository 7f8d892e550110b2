"""Is a Windows host ready to be a compute node?

Every requirement is a check; what can be repaired remotely is a change.

::

    checks/        one file per section of the operators' document; a check is a value (``model.Check``)
    sources        what a check can read of a host, as data: also what ``explain`` tells
    windows        sources that several sections share; virtual_switches, instance_folder, device_survey: what takes
                   more than one source to know
    readings       one host, each source read once however many checks want it
    expectations   what the operator's nova.conf asks of a host
    runner         all checks against all hosts, concurrently
    report         results in order, and what they mean for the exit status
    changes/       one file per kind of change; which of them make a check pass is in ``changes.plans``
    plan           what has to be changed on a host, and in which order
    preparation    doing that step by step, and undoing it
    journal        what was, on this machine's disk

Nothing here needs OpenStack. Other programs may run checks: ``runner.run(...)`` gives plain values.
"""
