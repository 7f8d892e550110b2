"""The behaviour of service classes: one file per class, found by the class's name.

A provider answers the methods of one class. ``base`` is what they share; ``all_providers`` in ``core`` lists them.
Methods of a class that no provider implements get the fault that WMI gives, never success.
"""
