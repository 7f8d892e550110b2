"""``net start``, ``net stop`` and ``sc``."""

from __future__ import annotations

from collections.abc import Mapping

from compute_hyperv.cim.values import CimInstance, CimValue
from hyperv_simulator.operating_system.services import DRIVER
from hyperv_simulator.operating_system.shell.context import (
    Command,
    Output,
    Windows,
    access_denied,
    complained,
    said,
    unknown,
)

_FAILED = 2
# What the service control manager's codes of Win32_Service are to these programs: Win32's number and text.
_ERRORS: Mapping[int, tuple[int, str]] = {
    3: (1051, "A stop control has been sent to a service that other running services are dependent on."),
    5: (1052, "The requested control is not valid for this service."),
    10: (1056, "An instance of the service is already running."),
    13: (1068, "The dependency service or group failed to start."),
    14: (1058, "The service cannot be started, either because it is disabled or because it has no enabled devices."),
}
_NOT_STARTED = (1062, "The service has not been started.")
_NO_SUCH = (1060, "The specified service does not exist as an installed service.")
_START_TYPES = {
    "Boot": "0   BOOT_START",
    "System": "1   SYSTEM_START",
    "Auto": "2   AUTO_START",
    "Manual": "3   DEMAND_START",
    "Disabled": "4   DISABLED",
}
_MODES = {
    "auto": "Auto",
    "delayed-auto": "Auto",
    "demand": "Manual",
    "disabled": "Disabled",
    "boot": "Boot",
    "system": "System",
}
_STATES = {"Running": "4  RUNNING", "Stopped": "1  STOPPED", "Paused": "7  PAUSED"}


def net(windows: Windows, command: Command) -> Output:
    verb = (command.switches or ("",))[0]
    if verb not in ("start", "stop"):
        return unknown(" ".join((command.program, *command.arguments)))
    names = [argument for argument in command.arguments[1:] if not argument.startswith("/")]
    if verb == "start" and not names:
        running = sorted(item.text("DisplayName") for item in windows.services.all() if item.get("State") == "Running")
        return said(
            "These Windows services are started:",
            "",
            *(f"   {name}" for name in running),
            "",
            "The command completed successfully.",
            "",
        )
    service = _found(windows, names[0]) if names else None
    if service is None:
        return _net_failed("The service name is invalid.", 2185)
    if not windows.accounts.is_administrator(command.user):
        return _denied()
    return _net_start(windows, service) if verb == "start" else _net_stop(windows, service, "/y" in command.switches)


def _net_start(windows: Windows, service: CimInstance) -> Output:
    name = service.text("DisplayName")
    code = windows.services.start(service.text("Name"))
    if code == 0:
        return said(f"The {name} service is starting.", f"The {name} service was started successfully.", "")
    if code == 10:
        return _net_failed("The requested service has already been started.", 2182)
    number, text = _ERRORS[code]
    return complained(f"System error {number} has occurred.", "", text, "", exit_code=_FAILED)


def _net_stop(windows: Windows, service: CimInstance, yes: bool) -> Output:
    name = service.text("DisplayName")
    if service.get("State") == "Stopped":
        return _net_failed(f"The {name} service is not started.", 3521)
    dependents = [item for item in windows.services.needed_by(service.text("Name")) if item.get("State") != "Stopped"]
    if dependents and not yes:
        listed = [f"   {item.text('DisplayName')}" for item in dependents]
        question = "Do you want to continue this operation? (Y/N) [N]: "
        return said(
            f"The following services are dependent on the {name} service.",
            f"Stopping the {name} service will also stop these services.",
            "",
            *listed,
            "",
            question,
            exit_code=_FAILED,
        )
    printed = []
    for each in (*dependents, service):
        title = each.text("DisplayName")
        code = windows.services.stop(each.text("Name"))
        if code:
            return _net_failed(f"The {title} service could not be stopped.", 3523)
        printed += [f"The {title} service is stopping.", f"The {title} service was stopped successfully.", ""]
    return said(*printed)


def _net_failed(text: str, number: int) -> Output:
    return complained(text, "", f"More help is available by typing NET HELPMSG {number}.", "", exit_code=_FAILED)


def _denied() -> Output:
    return complained("System error 5 has occurred.", "", "Access is denied.", "", exit_code=_FAILED)


def sc(windows: Windows, command: Command) -> Output:
    if len(command.arguments) < 2:
        return unknown(" ".join((command.program, *command.arguments)))
    verb, service = command.switches[0], _found(windows, command.arguments[1])
    if service is None:
        operation = "EnumQueryServicesStatus:OpenService" if verb == "query" else "OpenService"
        return _sc_failed(operation, *_NO_SUCH)
    if verb == "query":
        return said(*_status(service))
    if verb == "qc":
        return said("[SC] QueryServiceConfig SUCCESS", *_configuration(windows, service))
    if not windows.accounts.is_administrator(command.user):
        return access_denied()
    if verb == "config":
        return _configure(windows, service, command)
    if verb not in ("start", "stop"):
        return unknown(" ".join((command.program, *command.arguments)))
    name = service.text("Name")
    if verb == "stop" and service.get("State") == "Stopped":
        return _sc_failed("ControlService", *_NOT_STARTED)
    code = windows.services.start(name) if verb == "start" else windows.services.stop(name)
    if code:
        return _sc_failed("StartService" if verb == "start" else "ControlService", *_ERRORS[code])
    return said(*_status(_found(windows, name) or service))


def _configure(windows: Windows, service: CimInstance, command: Command) -> Output:
    """``start= auto obj= DOMAIN\\user password= ...``, with or without the blank behind the sign."""
    words = " ".join(command.arguments[2:]).replace("= ", "=").split()
    changes: dict[str, CimValue] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name.lower() == "start" and value.lower() in _MODES:
            changes["StartMode"] = _MODES[value.lower()]
            changes["DelayedAutoStart"] = value.lower() == "delayed-auto"
        elif name.lower() == "obj":
            changes["StartName"] = value.strip('"')
        elif name.lower() == "displayname":
            changes["DisplayName"] = value.strip('"')
        elif name.lower() != "password":
            return _sc_failed("ChangeServiceConfig", 87, "The parameter is incorrect.")
    windows.services.change(service, changes)
    return said("[SC] ChangeServiceConfig SUCCESS")


def _sc_failed(operation: str, number: int, text: str) -> Output:
    return said(f"[SC] {operation} FAILED {number}:", "", text, "", exit_code=number)


def _status(service: CimInstance) -> list[str]:
    kind = "1  KERNEL_DRIVER" if service.class_name == DRIVER else "30  WIN32"
    accepts = "STOPPABLE" if service.boolean("AcceptStop", False) else "NOT_STOPPABLE"
    pauses = "PAUSABLE" if service.boolean("AcceptPause", False) else "NOT_PAUSABLE"
    code = service.integer("ExitCode", 0)
    return [
        "",
        f"SERVICE_NAME: {service.text('Name')} ",
        f"        TYPE               : {kind}  ",
        f"        STATE              : {_STATES[service.text('State')]} ",
        f"                                ({accepts}, {pauses}, IGNORES_SHUTDOWN)",
        f"        WIN32_EXIT_CODE    : {code}  (0x{code:x})",
        "        SERVICE_EXIT_CODE  : 0  (0x0)",
        "        CHECKPOINT         : 0x0",
        "        WAIT_HINT          : 0x0",
    ]


def _configuration(windows: Windows, service: CimInstance) -> list[str]:
    kind = "1  KERNEL_DRIVER" if service.class_name == DRIVER else "20  WIN32_SHARE_PROCESS"
    needs = [item.text("Name") for item in windows.services.needs_of(service.text("Name"))]
    return [
        "",
        f"SERVICE_NAME: {service.text('Name')}",
        f"        TYPE               : {kind}",
        f"        START_TYPE         : {_START_TYPES[service.text('StartMode')]}",
        "        ERROR_CONTROL      : 1   NORMAL",
        f"        BINARY_PATH_NAME   : {service.text('PathName', '')}",
        "        LOAD_ORDER_GROUP   : ",
        "        TAG                : 0",
        f"        DISPLAY_NAME       : {service.text('DisplayName', '')}",
        f"        DEPENDENCIES       : {(needs or [''])[0]}",
        *(f"                           : {need}" for need in needs[1:]),
        f"        SERVICE_START_NAME : {service.text('StartName', '')}",
    ]


def _found(windows: Windows, name: str) -> CimInstance | None:
    """By name, or by display name as ``net`` allows it."""
    found = windows.services.find(name)
    if found is not None:
        return found
    return next((item for item in windows.services.all() if item.text("DisplayName", "").lower() == name.lower()), None)
