r"""How the storage namespace names things (real-instances 5.1).

``{1}\\HOST\root/Microsoft/Windows/Storage/Providers_v2\WSP_<kind>.ObjectId="<subsystem>:<tag>:<path>"``.
"""

from __future__ import annotations

from hyperv_simulator import identifiers as ids

STORAGE = "root/microsoft/windows/storage"
DISK_INTERFACE = "{53f56307-b6bf-11d0-94f2-00a0c91efb8b}"  # GUID_DEVINTERFACE_DISK
_PROVIDER = r"root/Microsoft/Windows/Storage/Providers_v2"


def subsystem_guid(host_name: str) -> str:
    """The GUID of the host's own subsystem ("Windows Storage on HOST")."""
    return "{" + ids.stable_guid(host_name, "storage subsystem").lower() + "}"


def object_id(host_name: str, kind: str, tag: str, path: str) -> str:
    r"""The ObjectId of a disk (``Disk``, ``DI``), a partition (``Partition``, ``PR``) and so on."""
    return f'{{1}}\\\\{host_name}\\{_PROVIDER}\\WSP_{kind}.ObjectId="{subsystem_guid(host_name)}:{tag}:{path}"'
