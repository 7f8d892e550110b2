"""The faults of shells: one function per situation. Where no source pairs a code with a subcode, the subcode is an
assumption (marked A)."""

from __future__ import annotations

from dataclasses import replace

from compute_hyperv.cim.soap.faults import SoapFault, known_codes, message_of


def no_such_shell(identifier: str) -> SoapFault:
    """As clients of real hosts see it: w:InvalidSelectors, 2150858843, with this text (diyan/pywinrm's reports)."""
    text = (
        f"The request for the Windows Remote Shell with ShellId {identifier} failed because the shell was not found on "
        "the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the "
        "server. Provide the correct ShellId or create a new shell and retry the operation."
    )
    return SoapFault.known("ERROR_WSMAN_UNEXPECTED_SELECTORS", text)


def too_many_shells() -> SoapFault:
    """MaxShellsPerUser (MS-WSMV 3.1.4.5.2.1)."""
    return _coded("ERROR_WSMAN_QUOTA_LIMIT", "ERROR_WSMAN_QUOTA_MAX_SHELLS")


def too_many_commands() -> SoapFault:
    """MaxProcessesPerShell."""
    return _coded("ERROR_WSMAN_QUOTA_LIMIT", "ERROR_WSMAN_QUOTA_MAX_COMMANDS_PER_SHELL_PPQ")


def shell_exists() -> SoapFault:
    """A client chose an identifier that is in use. A."""
    return _coded("ERROR_WSMAN_ALREADY_EXISTS", "ERROR_WINRS_SHELL_CLIENTID_RESOURCE_CONFLICT")


def command_exists() -> SoapFault:
    """A."""
    return _coded("ERROR_WSMAN_ALREADY_EXISTS", "ERROR_WINRS_SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT")


def identifier_is_no_guid() -> SoapFault:
    """A."""
    return _coded("ERROR_WSMAN_INVALID_PARAMETER", "ERROR_WINRS_SHELL_CLIENTID_NOT_VALID")


def no_such_command() -> SoapFault:
    """A: the code is that of a handle that is not valid."""
    return _coded("ERROR_WSMAN_INVALID_PARAMETER", "ERROR_WSMAN_SHELL_INVALID_COMMAND_HANDLE")


def no_such_stream() -> SoapFault:
    """A."""
    return _coded("ERROR_WSMAN_INVALID_PARAMETER", "ERROR_WSMAN_SHELL_INVALID_INPUT_STREAM")


def unknown_code_page() -> SoapFault:
    """A."""
    return _coded("ERROR_WSMAN_INVALID_OPTIONS", "ERROR_WINRS_CODE_PAGE_NOT_SUPPORTED")


def _coded(like: str, error: str) -> SoapFault:
    """The fault ``like`` with the code and text of another error."""
    return replace(SoapFault.known(like, message_of(error)), wsman_code=known_codes()[error])
