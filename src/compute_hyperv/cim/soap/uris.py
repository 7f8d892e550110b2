"""Resource URIs: ``http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Process`` and its two parts.

Source: MS-WSMV 3.1.4.1.1. The DMTF form of a class is read as well, since hosts answer in the form they were asked in.
"""

from __future__ import annotations

from compute_hyperv.cim.errors import ProtocolError

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
DMTF = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"  # and what begins with it and a slash
CLASS_METADATA = "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/"  # of classes as CIM-XML (DSP0227 15.4)

ALL_CLASSES = "*"  # the class of a URI for queries


def resource_uri(namespace: str, class_name: str) -> str:
    """The URI of a class; of ``*`` for a query (MS-WSMV 3.1.4.1.13: a WQL filter goes with no other)."""
    return f"{WMI}{namespace}/{class_name}"


def is_shell(uri: str) -> bool:
    """Whether a URI names WinRM's remote shells."""
    return f"{uri.lower()}/".startswith(f"{SHELL}/")


def is_class_metadata(uri: str) -> bool:
    """Whether a URI names classes themselves, not their instances."""
    return uri.lower().startswith(CLASS_METADATA)


def parse_resource_uri(uri: str) -> tuple[str, str]:
    """Namespace and class. The namespace is empty for a DMTF URI. Raises ProtocolError for another kind of URI."""
    lowered = uri.lower()
    if lowered.startswith(WMI):
        namespace, slash, class_name = uri[len(WMI) :].partition("?")[0].rpartition("/")
        if slash and namespace and class_name:
            return namespace, class_name
    elif lowered.startswith(DMTF) and len(uri) > len(DMTF):
        return "", uri[len(DMTF) :]
    raise ProtocolError(f"{uri!r} is not the resource URI of a WMI class.")
