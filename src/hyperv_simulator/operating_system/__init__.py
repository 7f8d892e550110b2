"""Windows around Hyper-V: what a host's operating system tells of itself, and what can be changed about it.

One file per area, with the area's instances and the provider of its methods. Hyper-V's own classes are in
``instances`` (what is there) and ``providers`` (what it does).

::

    system         Windows as one part: which of the following is made when, and what follows from what
      kept         what outlives a restart
      registry     with registry_defaults (a fresh host's), registry_provider (StdRegProv), virtualization_registry
      services     with service_table and service_provider
      features     with feature_table and server_manager
      power, boot  restarts, and what counts from the next one on
      clock        with time_service (W32Time)
      accounts     who may do what
      computer, hardware, edition, processes, counters, partitions, files, software, namespaces: instances
      shell        the programs of a command line
    surroundings   storage, multipathing, SMB, the network, the cluster, the guardian service, put together
"""
