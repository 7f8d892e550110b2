"""PCI Express devices of a host: as Windows shows them, as Hyper-V hands them to machines, and GPUs in partitions."""
