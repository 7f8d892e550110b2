"""root/Microsoft/Windows/Storage: disks, volumes, iSCSI, Fibre Channel, the SAN policy.

``Disks`` decides which disks Windows shows: one per path to a LUN, unless MPIO has claimed them. Everything else reads
what is stored.
"""
