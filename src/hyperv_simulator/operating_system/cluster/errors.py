"""How the cluster's methods fail: they return nothing, errors are WMI exceptions (hyperv-ops 16).

Numbers: winerror.h; that they arrive as HRESULT_FROM_WIN32 is hyperv-ops' inference.
"""

from __future__ import annotations

from dataclasses import replace

from compute_hyperv.cim.soap.faults import ProviderFault, SoapFault

FILE_NOT_FOUND = (2, "The system cannot find the file specified.")
INVALID_PARAMETER = (87, "The parameter is incorrect.")
ALREADY_EXISTS = (5010, "The object already exists.")
GROUP_NOT_AVAILABLE = (5012, "The cluster group could not be found.")
INVALID_STATE = (5023, "The group or resource is not in the correct state to perform the requested operation.")
NODE_NOT_FOUND = (5042, "The cluster node was not found.")
NODE_DOWN = (5050, "The cluster node is down.")


def cluster_error(error: tuple[int, str]) -> SoapFault:
    """The fault that a cluster error becomes."""
    code, text = error
    return replace(SoapFault.known("ERROR_INTERNAL_ERROR"), provider=ProviderFault(0x80070000 | code, text))
