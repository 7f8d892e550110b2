"""Windows around Hyper-V, as far as a host has to be prepared for it: registry, services, features, power.

One file per area; each is a small service over the host's CIM session, like those of Hyper-V beside this package.
"""
