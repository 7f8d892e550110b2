"""The instances that a host has without any machine on it, made from its description.

One file per neighbourhood; each has one function that puts its instances into the repository. They agree with each
other because they are made from the same few values (``HostFacts``).
"""
