"""Images: from Glance, through inspection and conversion, into the host's cache.

``vhd`` and ``vhdx`` read the structures of Hyper-V's own formats; ``inspection`` decides whether a tenant's file may be
used at all; ``conversion`` makes a fresh dynamic VHDX of it; ``cache`` keeps that on the host.
"""
