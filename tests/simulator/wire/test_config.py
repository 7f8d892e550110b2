"""hosts.toml: what is not said has a sensible default, what is wrong gets one line that says what to write."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hyperv_simulator.config.domain import KerberosConfig
from hyperv_simulator.config.errors import ConfigError
from hyperv_simulator.config.file import check, load
from hyperv_simulator.config.host import HostConfig
from hyperv_simulator.config.keys import tables
from hyperv_simulator.config.network import SwitchConfig
from hyperv_simulator.fault_rules import FaultRule
from hyperv_simulator.quotas import Quotas
from tests.simulated import Simulate, free_address

EXAMPLES = Path(__file__).parents[3] / "docs" / "hosts"


def test_without_a_file_there_is_one_windows_server_2022_at_127_0_1_1() -> None:
    (host,) = load(None)
    assert (host.name, host.address, host.version, host.guests) == ("hv1", "127.0.1.1", "2022", "none")
    assert (host.username, host.password) == ("Administrator", "Passw0rd!")
    assert host.switch == (SwitchConfig("external", "external", "Ethernet"),)


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text(
        """
        [[host]]
        name = "HV-A"
        address = "127.9.8.7"
        version = "2012r2"
        username = "op"
        password = "geheim:ö"
        sockets = 2
        cores = 16
        threads = 32
        memory_mb = 131072
        numa_nodes = 2
        disk_gb = 1000
        guests = "qemu"
        http_port = 15985
        https_port = 15986
        smb_port = 1445
        samba = false
        allow_basic = true
        allow_unencrypted = true
        round_trip_ms = 5
        client_ca_file = "/etc/clients.pem"
        [[host.switch]]
        name = "lan"
        [[host.switch]]
        name = "inner"
        type = "internal"
        [[host.fault]]
        effect = "drop-after"
        class_name = "Msvm_VirtualSystemManagementService"
        method = "DefineSystem"
        nth = 2
        [host.kerberos]
        keytab = "/etc/hv-a.keytab"
        realm = "HV.TEST"
        [host.quotas]
        max_envelope_size_kb = 150
        max_shells_per_user = 5
        [[host]]
        name = "hv2"
        """
    )
    first, second = load(file)
    assert first == HostConfig(
        name="HV-A",
        address="127.9.8.7",
        version="2012r2",
        username="op",
        password="geheim:ö",
        sockets=2,
        cores=16,
        threads=32,
        memory_mb=131072,
        numa_nodes=2,
        disk_gb=1000,
        guests="qemu",
        http_port=15985,
        https_port=15986,
        smb_port=1445,
        samba=False,
        allow_basic=True,
        allow_unencrypted=True,
        round_trip_ms=5,
        client_ca_file="/etc/clients.pem",
        kerberos=KerberosConfig(keytab="/etc/hv-a.keytab", realm="HV.TEST"),
        switch=(SwitchConfig("lan"), SwitchConfig("inner", "internal")),
        fault=(
            FaultRule("drop-after", class_name="Msvm_VirtualSystemManagementService", method="DefineSystem", nth=2),
        ),
        quotas=Quotas(max_envelope_size_kb=150, max_shells_per_user=5),
    )
    assert second == HostConfig(name="hv2")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[host]]\nmemory = 1", "unknown key 'memory'; did you mean memory_mb?"),
        ("hosts = 1", "unknown key 'hosts'; did you mean host?"),
        ("host = 1", "host is 1; write tables: [[host]]"),
        ('[[host]]\nname = "a"\nmemory_mb = "much"', "host a: memory_mb is 'much'; write a whole number"),
        ("[[host]]\ncores = true", "cores is True; write a whole number"),
        ("[[host]]\nmemory_mb = 1", "memory_mb is 1; write a whole number, 512 or more"),
        ('[[host]]\nname = "b"\nallow_basic = "yes"', "host b: allow_basic is 'yes'; write true or false"),
        ("[[host]]\nversion = 2022", "version is 2022; write one of '2012r2', '2016', '2019', '2022', '2025'"),
        ('[[host]]\nguests = "lxc"', "guests is 'lxc'; write one of 'none', 'qemu'"),
        ('[[host]]\naddress = "hv1.test"', "address is 'hv1.test'; write an IPv4 address such as 127.0.1.1"),
        ('[[host]]\nname = "a-very-long-name"', "name is 'a-very-long-name'; write a computer name"),
        ('[[host]]\nusername = "HV\\\\op"', "username is 'HV\\\\op'; write an account name without domain"),
        ("[[host]]\nhttp_port = 0", "http_port is 0; write a port number, 1 to 65535"),
        ("[[host]]\nhttp_port = 5986", "http_port, https_port, smb_port must differ"),
        ("[[host]]\nsockets = 3", "cores is 8; write a multiple of sockets, which is 3"),
        ("[[host]]\nthreads = 12", "threads is 12; write a multiple of cores, which is 8"),
        ("[[host]]\n[[host.switch]]", "host 1: switch 1: name is missing"),
        ('[[host]]\n[[host.switch]]\nname = "x"\ntype = "nat"', "type is 'nat'; write one of 'external'"),
        ('[[host]]\n[[host.switch]]\nname = "x"\n[[host.switch]]\nname = "X"', "switches with different names"),
        ('[[host]]\n[[host.fault]]\neffect = "explode"', "effect is 'explode'; write one of 'delay'"),
        ('[[host]]\n[[host.fault]]\neffect = "delay"', "delay_ms is 0; a delay needs milliseconds above 0"),
        ('[[host]]\n[[host.fault]]\neffect = "fault"', "code is 0; the effect fault needs the code"),
        ('[[host]]\n[[host.fault]]\neffect = "delay"\naction = "look"', "action is 'look'; write one of 'identify'"),
        (
            '[[host]]\n[[host]]\nname = "HV1"\naddress = "127.0.1.2"',
            "host HV1: name hv1 belongs to host hv1; give each host its own",
        ),
        ("[[host]]\nquotas = 5", "host 1: quotas is 5; write a table: [host.quotas]"),
        ("[[host]]\n[host.quotas]\nspeed = 1", "quotas: unknown key 'speed'; known are enumeration_timeout_ms"),
        (
            "[[host]]\n[host.quotas]\nmax_envelope_size_kb = 8",
            "max_envelope_size_kb is 8; write a whole number from 32 to 1039440",
        ),
        ('[[host]]\n[host.kerberos]\nrealm = "X"', "host hv1: kerberos needs both keytab and realm"),
        ("[[host]", "not TOML"),
        ("[[host]]\ncores 8", ":2: not TOML: Expected '=' after a key in a key/value pair"),
    ],
)
def test_what_is_wrong_is_named_together_with_what_to_write(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}:")
    assert complaint in problem
    assert "\n" not in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; name an existing file"):
        load(tmp_path / "nowhere.toml")


def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"write at least one \[\[host\]\] table"):
        check(())


def names_of(table: type) -> list[str]:
    return [field.name for field in dataclasses.fields(table)]


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text(
        """\
# two hosts, six mistakes
[[host]]
name = "a"
cores = 3
threads = 4
[[host.switch]]
name = "lan"
[[host.switch]]
name = "wan"
type = "nat"

[[host]]
speed = 1
name = "b"
password = '''
[[host]]
'''
quotas = { max_envelope_size_kb = 8 }
switch = [
    { name = "x" },
    { colour = "red" },
]
memory_mb = "much"
"""
    )
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [problem.removeprefix(f"{file}:") for problem in caught.value.problems] == [
        "10: host a: switch 2: type is 'nat'; write one of 'external', 'internal', 'private'",
        "13: host b: unknown key 'speed'; 'hyperv-simulator keys' prints those there are",
        "18: host b: quotas: max_envelope_size_kb is 8; write a whole number from 32 to 1039440",
        "19: host b: switch 2: name is missing; write what this table is about",
        f"19: host b: switch 2: unknown key 'colour'; known are {', '.join(sorted(names_of(SwitchConfig)))}",
        "23: host b: memory_mb is 'much'; write a whole number",
    ]


def test_what_two_hosts_share_has_the_line_of_the_second(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\nname = "a"\n\n[[host]]\nname = "b"\nsamba = false\naddress = "127.0.1.1"\n')
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.problems[0] == (f"{file}:7: host b: 127.0.1.1:5985 belongs to host a; give each host its own")


def test_the_line_of_a_wrong_combination_is_that_of_the_key_to_change(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[host]]\nname = "a"\nsockets = 3\ncores = 8\n')
    with pytest.raises(ConfigError, match=r":4: host a: cores is 8; write a multiple of sockets, which is 3"):
        load(file)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_examples_of_the_guide_are_right(file: Path) -> None:
    assert load(file)


def test_every_key_has_a_meaning_that_is_told() -> None:
    silent = [(table.header, key.name) for table in tables() for key in table.keys if not key.meaning]
    assert silent == []


def test_hosts_start_as_the_examples_describe_them(simulate: Simulate) -> None:
    for file in sorted(EXAMPLES.glob("*.toml")):
        for host in load(file):
            values = {field.name: getattr(host, field.name) for field in dataclasses.fields(host)}
            started = simulate(**{**values, "address": free_address(), "samba": False})
            assert started.inside.repository.instances("Win32_OperatingSystem", "root/cimv2")
