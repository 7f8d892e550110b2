"""__Namespace: which namespaces stand below one that the host has.

Namespaces whose parent is not in the catalogue (``root``, ``root/microsoft/windows``) are not listed: nobody can ask.
Computed when somebody asks: the catalogue of a namespace is not read for this.
"""

from __future__ import annotations

from functools import partial

from compute_hyperv.cim import schema
from compute_hyperv.cim.values import CimInstance
from hyperv_simulator.repository.instances import Repository

_NAMESPACE = "__Namespace"


def populate(repository: Repository) -> None:
    """Declares the class in every namespace of the host."""
    there = [name for name in schema.catalogue().namespaces() if repository.catalogue.has_namespace(name)]

    def children(parent: str, _owner: str) -> list[CimInstance]:
        below = (name.rpartition("/") for name in there)
        return [CimInstance(_NAMESPACE, {"Name": name}, parent) for above, _, name in below if above == parent]

    for parent in there:
        repository.add_source(_NAMESPACE, partial(children, parent), parent)
