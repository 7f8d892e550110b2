"""Classes without properties, whose instances bring their own (MSCluster_Property)."""

from __future__ import annotations

from compute_hyperv.cim.soap import writing
from compute_hyperv.cim.values import CimInstance


def test_what_an_instance_brings_along_is_written() -> None:
    bag = CimInstance("MSCluster_Property", {"VmID": "A", "OfflineAction": 1}, "root/mscluster")
    resource = CimInstance("MSCluster_Resource", {"Name": "vm", "PrivateProperties": bag}, "root/mscluster")
    text = writing.instance(resource)
    assert "VmID>A</" in text
    assert "OfflineAction>1</" in text
