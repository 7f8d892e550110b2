"""``w32tm``: /query, /config, /resync, /stripchart, of this computer only."""

from __future__ import annotations

from hyperv_simulator.operating_system.registry import Registry, dword, sz
from hyperv_simulator.operating_system.registry_defaults import TIME
from hyperv_simulator.operating_system.registry_provider import expanded
from hyperv_simulator.operating_system.shell.context import (
    Command,
    Output,
    Windows,
    access_denied,
    moment,
    said,
    signed,
    unknown,
)
from hyperv_simulator.operating_system.time_service import FREE_RUNNING

_NOT_STARTED = 0x80070426
_NO_DATA = 0x800705B4
_SYNC_FLAGS = {"manual": "NTP", "domhier": "NT5DS", "all": "AllSync", "no": "NoSync"}
_SECONDARY = "(secondary reference - syncd by (S)NTP)"
_DONE = "The command completed successfully."
_POLL = "10 (1024s)"
_CONFIG = rf"{TIME}\Config"
_MOST_SAMPLES = 100


def w32tm(windows: Windows, command: Command) -> Output:
    switches = command.switches
    if switches[:1] == ("/stripchart",):
        return _stripchart(windows, command)
    if switches[:1] == ("/config",):
        return _config(windows, command)
    if switches[:1] not in (("/query",), ("/resync",)):
        return unknown(" ".join((command.program, *command.arguments)))
    if not windows.services.runs("W32Time"):
        return _not_started()
    if switches[0] == "/resync":
        return _resync(windows)
    if "/status" in switches:
        return _status(windows)
    if "/source" in switches:
        return said(f"{windows.time.source} ")
    if "/peers" in switches:
        return _peers(windows)
    if "/configuration" in switches:
        return _configuration(windows.registry, windows)
    return unknown(" ".join((command.program, *command.arguments)))


def _not_started() -> Output:
    text = "The following error occurred: The service has not been started. (0x80070426)"
    return said(text, exit_code=signed(_NOT_STARTED))


def _status(windows: Windows) -> Output:
    time = windows.time
    if time.is_synchronized:
        head = ("0(no warning)", f"4 {_SECONDARY}", "0.0312500s", "0.1010000s", "0x7F000001 (source IP:  127.0.0.1)")
    elif time.source == FREE_RUNNING:
        stratum = "1 (primary reference - syncd by radio clock)"
        head = ("0(no warning)", stratum, "0.0000000s", "10.0000000s", '0x4C4F434C (source name:  "LOCL")')
    else:
        head = ("3(not synchronized)", "0 (unspecified)", "0.0000000s", "0.0000000s", "0x00000000 (unspecified)")
    leap, stratum, delay, dispersion, reference = head
    last = windows.clock.last_sync or (windows.one("Win32_OperatingSystem")["LastBootUpTime"])
    return said(
        f"Leap Indicator: {leap}",
        f"Stratum: {stratum}",
        "Precision: -23 (119.209ns per tick)",
        f"Root Delay: {delay}",
        f"Root Dispersion: {dispersion}",
        f"ReferenceId: {reference}",
        f"Last Successful Sync Time: {moment(last, ' ') if time.is_synchronized else 'unspecified'}",
        f"Source: {time.source} ",
        f"Poll Interval: {_POLL}",
        "",
    )


def _peers(windows: Windows) -> Output:
    time = windows.time
    printed = [f"#Peers: {len(time.sources)}"]
    for peer in time.sources:
        active = time.answers(peer)
        printed += [
            "",
            f"Peer: {peer}",
            f"State: {'Active' if active else 'Pending'}",
            "Time Remaining: 512.0000000s",
            f"Mode: {'3 (Client)' if active else '0 (reserved)'}",
            f"Stratum: {f'3 {_SECONDARY}' if active else '0 (unspecified)'}",
            f"PeerPoll Interval: {_POLL if active else '0 (unspecified)'}",
            f"HostPoll Interval: {_POLL if active else '0 (unspecified)'}",
        ]
    return said(*printed)


_CONFIG_GROUPS = (
    (
        "EventLogFlags",
        "AnnounceFlags",
        "TimeJumpAuditOffset",
        "MinPollInterval",
        "MaxPollInterval",
        "MaxNegPhaseCorrection",
        "MaxPosPhaseCorrection",
        "MaxAllowedPhaseOffset",
    ),
    (
        "FrequencyCorrectRate",
        "PollAdjustFactor",
        "LargePhaseOffset",
        "SpikeWatchPeriod",
        "LocalClockDispersion",
        "HoldPeriod",
        "PhaseCorrectRate",
        "UpdateInterval",
    ),
)


def _configuration(registry: Registry, windows: Windows) -> Output:
    printed = ["[Configuration]", ""]
    for group in _CONFIG_GROUPS:
        printed += [f"{name}: {registry.number(_CONFIG, name)} (Local)" for name in group]
        printed.append("")
    printed += ["", "[TimeProviders]", ""]
    for provider in ("NtpClient", "VMICTimeProvider", "NtpServer"):
        key = rf"{TIME}\TimeProviders\{provider}"
        printed.append(f"{provider} (Local)")
        for name, value in registry.values_in(key):
            if isinstance(value.data, str | int):
                printed.append(f"{name}: {expanded(str(value.data))} (Local)")
        if provider == "NtpClient":
            settings = windows.time.settings
            printed += [f"Type: {settings.kind} (Local)", f"NtpServer: {' '.join(settings.peers)} (Local)"]
        printed.append("")
    return said(*printed)


def _config(windows: Windows, command: Command) -> Output:
    if not windows.accounts.is_administrator(command.user):
        return access_denied()
    parameters = rf"{TIME}\Parameters"
    updates = "/update" in command.switches
    if updates and not windows.services.runs("W32Time"):
        return _not_started()
    windows.registry.create_key(parameters)
    peers, flags = command.value_of("/manualpeerlist"), command.value_of("/syncfromflags")
    if flags is not None:
        chosen = {_SYNC_FLAGS.get(flag) for flag in flags.lower().split(",")}
        kind = "AllSync" if chosen == {"NTP", "NT5DS"} else next(iter(chosen))
        if kind is None or len(chosen) > 2:
            return said(
                "The following error occurred: The parameter is incorrect. (0x80070057)", exit_code=signed(0x80070057)
            )
        windows.registry.set(parameters, "Type", sz(kind))
    if peers is not None:
        windows.registry.set(parameters, "NtpServer", sz(peers))
    reliable = command.value_of("/reliable")
    if reliable is not None:
        windows.registry.create_key(_CONFIG)
        windows.registry.set(_CONFIG, "AnnounceFlags", dword(5 if reliable.lower() == "yes" else 10))
    if updates:
        windows.time.begin()
    return said(_DONE)


def _resync(windows: Windows) -> Output:
    sending = "Sending resync command to local computer"
    if windows.time.synchronize():
        return said(sending, _DONE)
    if windows.time.has_data:
        why = "The computer did not resync because the required time change was too big."
    else:
        why = "The computer did not resync because no time data was available."
    return said(sending, why, exit_code=1)


def _stripchart(windows: Windows, command: Command) -> Output:
    target = command.value_of("/computer")
    if not target:
        return said(
            "The following error occurred: The parameter is incorrect. (0x80070057)", exit_code=signed(0x80070057)
        )
    count = command.value_of("/samples") or "1"
    samples = min(int(count), _MOST_SAMPLES) if count.isdigit() else 1
    now = windows.clock.now()
    printed = [
        f"Tracking {target} [127.0.0.1:123].",
        f"Collecting {samples} samples.",
        f"The current time is {moment(now, ' ')}.",
    ]
    stamp = f"{now.hour:02}:{now.minute:02}:{now.second:02}"
    offset = -windows.clock.offset_s  # how far the other is ahead of this computer
    for _ in range(samples):
        if not windows.time.answers(target):
            printed.append(f"{stamp}, error: 0x{_NO_DATA:08X}")
        elif "/dataonly" in command.switches:
            printed.append(f"{stamp}, {_offset(offset)}")
        else:
            printed.append(f"{stamp} d:{_offset(0.0003)} o:{_offset(offset)}  [{'*':^57}]")
    return said(*printed)


def _offset(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{abs(seconds):010.7f}s"
