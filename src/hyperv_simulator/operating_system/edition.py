"""What an edition of Windows Server calls itself.

Numbers: OperatingSystemSKU (real-instances 4.1) and winnt.h's PRODUCT_ constants; that Server Core has a number of its
own up to 2012 R2 only is real-instances' (marked there as uncertain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperv_simulator.config.operating_system import Edition
from hyperv_simulator.windows import WindowsVersion


@dataclass(frozen=True, slots=True)
class EditionNames:
    """One edition.

    :param words: what stands behind the release in the caption.
    :param edition_id: EditionID in the registry.
    :param core_sku: the SKU of Server Core on releases that have one.
    """

    words: str
    edition_id: str
    sku: int
    core_sku: int
    core: bool = False


_EDITIONS: Mapping[Edition, EditionNames] = {
    "standard": EditionNames("Standard", "ServerStandard", 7, 7),
    "standard-core": EditionNames("Standard", "ServerStandard", 7, 13, True),
    "datacenter": EditionNames("Datacenter", "ServerDatacenter", 8, 8),
    "datacenter-core": EditionNames("Datacenter", "ServerDatacenter", 8, 12, True),
    "azure": EditionNames("Datacenter Azure Edition", "ServerTurbine", 407, 407),
    "azure-core": EditionNames("Datacenter Azure Edition", "ServerTurbine", 408, 408, True),
    "hyperv": EditionNames("", "ServerHyperCore", 42, 42, True),
}


@dataclass(frozen=True, slots=True)
class EditionFacts:
    """One edition of one release.

    :param product_name: ``Windows Server 2022 Datacenter``.
    """

    product_name: str
    edition_id: str
    sku: int
    core: bool

    @property
    def caption(self) -> str:
        return f"Microsoft {self.product_name}"


def edition_of_sku(sku: int) -> Edition:
    """The edition that has this OperatingSystemSKU; Datacenter for one that no server has."""
    found = (edition for edition, names in _EDITIONS.items() if sku in (names.sku, names.core_sku))
    return next(found, "datacenter")


def edition_facts(edition: Edition, version: WindowsVersion) -> EditionFacts:
    names = _EDITIONS[edition]
    server = version.caption.removeprefix("Microsoft ").removesuffix(" Datacenter")
    hyperv_server = server.replace("Windows Server", "Hyper-V Server")
    product = hyperv_server if edition == "hyperv" else f"{server} {names.words}"
    sku = names.core_sku if version.release < 2016 else names.sku
    return EditionFacts(product, names.edition_id, sku, names.core)
