"""The messages of WinRS: what a request to a shell asks for, and how it is answered."""

from __future__ import annotations

import base64
import codecs
import uuid
from collections.abc import Callable, Mapping

from compute_hyperv.cim import datetimes, xml
from compute_hyperv.cim.soap import envelope, names, uris
from compute_hyperv.cim.soap.faults import SoapFault
from compute_hyperv.cim.soap.requests import OtherRequest, RequestHeader
from compute_hyperv.cim.soap.responses import OtherResponse
from hyperv_simulator.operating_system.shell.context import Output
from hyperv_simulator.quotas import Quotas
from hyperv_simulator.server import wire_faults
from hyperv_simulator.server.winrs import faults
from hyperv_simulator.server.winrs.shells import Shell, Shells

_CMD = f"{uris.SHELL}/cmd"
_RSP = f"{{{uris.SHELL}}}"
_DECLARED = f'xmlns:rsp="{uris.SHELL}"'
_DONE = f"{uris.SHELL}/CommandState/Done"
_END_SIGNALS = tuple(f"{uris.SHELL}/signal/{name}" for name in ("terminate", "ctrl_c", "ctrl_break"))
_INTERRUPTED = -1073741510  # STATUS_CONTROL_C_EXIT

RunLine = Callable[[str, str], Output]  # a command line and who runs it, to what it leaves behind
Operation = Callable[[RequestHeader, OtherRequest, str], OtherResponse]


class WinRs:
    """The remote shells of one host. Safe for threads.

    :param admit: raises the fault of a user who has too many operations open.
    :param owner: makes of a user the name by which the host knows it.
    """

    def __init__(
        self, run_line: RunLine, quotas: Quotas, *, admit: Callable[[str], None], owner: Callable[[str], str]
    ) -> None:
        self._run_line = run_line
        self._admit = admit
        self._owner = owner
        self.shells = Shells(quotas)
        self._operations: Mapping[str, Operation] = {
            names.CREATE: self._create,
            names.DELETE: self._delete,
            names.GET: self._get,
            f"{uris.SHELL}/Command": self._command,
            f"{uris.SHELL}/Send": self._send,
            f"{uris.SHELL}/Receive": self._receive,
            f"{uris.SHELL}/Signal": self._signal,
        }

    def answer(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        """Raises the fault of whatever is wrong."""
        operation = self._operations.get(request.action)
        if operation is None:
            raise SoapFault.known("ERROR_WSMAN_ACTION_NOT_SUPPORTED")
        # Get goes to the URI of all shells, everything else to that of its kind (MS-WSMV note 103).
        if request.uri.lower() != (uris.SHELL if request.action == names.GET else _CMD):
            error = (
                "ERROR_WSMAN_ACTION_NOT_SUPPORTED"
                if request.action == names.GET
                else "ERROR_WSMAN_INVALID_RESOURCE_URI"
            )
            raise SoapFault.known(error)
        return operation(header, request, user)

    def _create(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        body = _expected(request, "Shell")
        shell = self.shells.open(
            user,
            identifier=_guid(body.get("ShellId") or ""),
            name=_text(body, "Name"),
            encoding=_encoding(header.options),
            idle_s=_seconds(_text(body, "IdleTimeOut")),
            lifetime_s=_seconds(_text(body, "Lifetime")),
            input_streams=_text(body, "InputStreams") or "stdin",
            output_streams=_text(body, "OutputStreams") or "stdout stderr",
        )
        created = (
            f"<x:ResourceCreated><a:Address>{names.ANONYMOUS}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{_CMD}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{xml.text(shell.identifier)}</w:Selector></w:SelectorSet>'
            "</a:ReferenceParameters></x:ResourceCreated>"
        )
        return OtherResponse(f"{names.CREATE}Response", "saxw", created + self._described(shell))

    def _get(self, header: RequestHeader, _request: OtherRequest, user: str) -> OtherResponse:
        return OtherResponse(f"{names.GET}Response", "sa", self._described(self._shell(header, user)))

    def _delete(self, header: RequestHeader, _request: OtherRequest, user: str) -> OtherResponse:
        self.shells.close(_shell_id(header), user)
        return OtherResponse(f"{names.DELETE}Response", "sa", "")

    def _command(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        body, shell = _expected(request, "CommandLine"), self._shell(header, user)
        self._admit(user)
        words = [_text(body, "Command"), *(each.text or "" for each in body.findall(f"{_RSP}Arguments"))]
        output = self._run_line(" ".join(word for word in words if word), self._owner(user))
        command = self.shells.start(shell, output, _guid(body.get("CommandId") or ""))
        answer = (
            f"<rsp:CommandResponse {_DECLARED}><rsp:CommandId>{xml.text(command.identifier)}</rsp:CommandId>"
            "</rsp:CommandResponse>"
        )
        return OtherResponse(f"{uris.SHELL}/CommandResponse", "sa", answer)

    def _send(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        body, shell = _expected(request, "Send"), self._shell(header, user)
        for stream in body.findall(f"{_RSP}Stream"):
            if stream.get("Name") not in shell.input_streams.split():
                raise faults.no_such_stream()
            self.shells.command(shell, stream.get("CommandId") or "")
        return OtherResponse(f"{uris.SHELL}/SendResponse", "sa", f"<rsp:SendResponse {_DECLARED}/>")

    def _receive(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        body, shell = _expected(request, "Receive"), self._shell(header, user)
        desired = body.find(f"{_RSP}DesiredStream")
        if desired is None:
            raise wire_faults.schema_violated("Receive names no DesiredStream.")
        command = self.shells.command(shell, desired.get("CommandId") or "")
        identifier = xml.attribute(command.identifier)
        wanted = (desired.text or "").split() or shell.output_streams.split()
        parts: list[str] = []
        for name, text in (("stdout", command.output.stdout), ("stderr", command.output.stderr)):
            if name not in wanted or name not in shell.output_streams.split():
                continue
            tag = f'rsp:Stream Name="{name}" CommandId="{identifier}"'
            if text and command.pending:
                encoded = base64.b64encode(text.encode(shell.encoding, "replace")).decode()
                parts.append(f"<{tag}>{encoded}</rsp:Stream>")
            parts.append(f'<{tag} End="true"></rsp:Stream>')  # streams end so on Windows (MS-WSMV note 122)
        command.pending = False
        state = (
            f'<rsp:CommandState CommandId="{identifier}" State="{_DONE}">'
            f"<rsp:ExitCode>{command.output.exit_code}</rsp:ExitCode></rsp:CommandState>"
        )
        answer = f"<rsp:ReceiveResponse {_DECLARED}>{''.join(parts)}{state}</rsp:ReceiveResponse>"
        return OtherResponse(f"{uris.SHELL}/ReceiveResponse", "sa", answer)

    def _signal(self, header: RequestHeader, request: OtherRequest, user: str) -> OtherResponse:
        body, shell = _expected(request, "Signal"), self._shell(header, user)
        code = _text(body, "Code").lower()
        if code in _END_SIGNALS or code == "powershell/signal/ctrl_c":
            self.shells.end(shell, body.get("CommandId") or "")
        else:
            raise wire_faults.schema_violated(f"{code} is no signal.")
        return OtherResponse(f"{uris.SHELL}/SignalResponse", "sa", f"<rsp:SignalResponse {_DECLARED}/>")

    def _shell(self, header: RequestHeader, user: str) -> Shell:
        return self.shells.find(_shell_id(header), user)

    def _described(self, shell: Shell) -> str:
        """The ``rsp:Shell`` of an answer (MS-WSMV 3.1.4.5.2)."""
        now = self.shells.clock()
        members = {
            "ShellId": shell.identifier,
            "Name": shell.name,
            "ResourceUri": _CMD,
            "Owner": self._owner(shell.user),
            "IdleTimeOut": envelope.write_duration(shell.idle_s),
            "InputStreams": shell.input_streams,
            "OutputStreams": shell.output_streams,
            "ShellRunTime": _elapsed(now - shell.opened_at),
            "ShellInactivity": _elapsed(now - shell.used_at),
        }
        content = "".join(f"<rsp:{tag}>{xml.text(text)}</rsp:{tag}>" for tag, text in members.items() if text)
        return f"<rsp:Shell {_DECLARED}>{content}</rsp:Shell>"


def _expected(request: OtherRequest, tag: str) -> xml.Element:
    if request.body is None or request.body.tag != _RSP + tag:
        raise wire_faults.schema_violated(f"The body is no {tag}.")
    return request.body


def _shell_id(header: RequestHeader) -> str:
    """Clients write the selector's name as ShellId, the specification as ShellID."""
    for name, value in header.selectors.items():
        if name.lower() == "shellid" and isinstance(value, str):
            return value.strip()
    raise SoapFault.known("ERROR_WSMAN_INSUFFCIENT_SELECTORS")


def _text(body: xml.Element, tag: str) -> str:
    return str(body.findtext(_RSP + tag) or "").strip()


def _seconds(text: str) -> float | None:
    try:
        return datetimes.duration(text).total_seconds() if text else None
    except ValueError:
        raise wire_faults.schema_violated(f"{text!r} is no duration.") from None


def _guid(text: str) -> str:
    """An identifier that a client chose; raises the fault of one that is no GUID (WSMERR 2150859221)."""
    try:
        return str(uuid.UUID(text)).upper() if text else ""
    except ValueError:
        raise faults.identifier_is_no_guid() from None


def _encoding(options: Mapping[str, str]) -> str:
    """Of WINRS_CODEPAGE; raises the fault of a code page that there is not."""
    page = options.get("WINRS_CODEPAGE", "437").strip()
    name = {"65001": "utf-8", "1200": "utf-16-le"}.get(page, f"cp{page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise faults.unknown_code_page() from None


def _elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"P0DT{hours}H{minutes}M{rest}S"
