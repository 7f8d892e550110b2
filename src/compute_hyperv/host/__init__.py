"""One Hyper-V host in Hyper-V's own words: machines, disks, switches, files. Never CIM, never Nova objects, to its
callers."""
