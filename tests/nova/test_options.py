"""What a nova.conf may say."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from compute_hyperv.configuration import host_settings
from compute_hyperv.configuration.options import GROUPS, list_opts, register
from compute_hyperv.nova import options, settings

# Every option of the retired driver (old-driver facts 2.1 to 2.4), with a value that an operator could have set.
OLD_NOVA_CONF = r"""
[DEFAULT]
instances_path = D:\Instances

[hyperv]
dynamic_memory_ratio = 2.0
enable_instance_metrics_collection = True
instances_path_share = instances
limit_cpu_features = True
mounted_disk_query_retry_count = 20
mounted_disk_query_retry_interval = 1
power_state_check_timeframe = 30
power_state_event_polling_interval = 1
qemu_img_cmd = C:\OpenStack\bin\qemu-img.exe
vswitch_name = external
wait_soft_reboot_seconds = 30
config_drive_cdrom = True
config_drive_inject_password = True
volume_attach_retry_count = 3
volume_attach_retry_interval = 1
enable_remotefx = True
use_multipath_io = True
iscsi_initiator_list = PCI\VEN_1077
evacuate_task_state_timeout = 60
cluster_event_check_interval = 1
instance_automatic_shutdown = True
instance_live_migration_timeout = 60
max_failover_count = 2
failover_period = 3
recreate_ports_on_failover = False
auto_failback = False
force_destroy_instances = True
move_disks_on_cold_migration = False

[coordination]
backend_url = etcd3+http://10.0.0.1

[os_win]
hbaapi_lib_path = x.dll
cache_temporary_wmi_objects = True
wmi_job_terminate_timeout = 10
connect_cluster_timeout = 10
file_in_use_timeout = 10
"""


@pytest.fixture
def conf_of(tmp_path):
    def load(text: str) -> cfg.ConfigOpts:
        path = tmp_path / "nova.conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        register(conf)
        conf.register_opts(
            [
                cfg.StrOpt("state_path", default="/var/lib/nova"),
                cfg.StrOpt("instances_path", default="/var/lib/nova/instances"),
            ]
        )
        conf(["--config-file", str(path)], project="nova", default_config_files=[], default_config_dirs=[])
        return conf

    return load


def test_an_old_nova_conf_is_accepted(conf_of):
    conf = conf_of(OLD_NOVA_CONF)

    written = {line.split(" = ")[0] for line in OLD_NOVA_CONF.splitlines() if " = " in line} - {"instances_path"}
    known = {opt.name for opts in GROUPS.values() for opt in opts}
    assert written <= known
    assert conf.hyperv.dynamic_memory_ratio == 2.0
    assert conf.hyperv.iscsi_initiator_list == [r"PCI\VEN_1077"]
    assert conf.os_win.file_in_use_timeout == 10


def test_options_that_do_nothing_yet_are_named(conf_of):
    named = options.settings_without_effect(conf_of(OLD_NOVA_CONF))

    assert "[hyperv] use_multipath_io" in named
    assert "[coordination] backend_url" in named
    assert "[hyperv] dynamic_memory_ratio" not in named
    assert options.settings_without_effect(conf_of("")) == []


def test_options_without_effect_are_all_registered():
    for group, option_names in options.WITHOUT_EFFECT.items():
        assert option_names <= {opt.name for opt in GROUPS[group]}


def test_each_option_has_a_help_that_says_more_than_its_name():
    for _, opts in list_opts():
        for opt in opts:
            assert len(opt.help.strip()) > 30, opt.name


def test_an_option_that_lost_its_meaning_says_why():
    gone = [opt for _, opts in list_opts() for opt in opts if opt.deprecated_for_removal]

    assert {"enable_remotefx", "power_state_check_timeframe", "hbaapi_lib_path"} <= {opt.name for opt in gone}
    assert all(opt.deprecated_reason for opt in gone)


def test_a_service_named_after_its_host_needs_no_server(conf_of):
    found = host_settings.host_settings(conf_of("[hyperv]\npassword = x"), "hv1.example.org")

    assert found.server == "hv1.example.org"
    assert found.winrm_scheme == "https"
    assert (found.smb_username, found.smb_password) == ("Administrator", "x")


def test_the_server_can_be_named(conf_of):
    assert host_settings.host_settings(conf_of("[hyperv]\nserver = 10.1.2.3"), "hv1").server == "10.1.2.3"


def test_the_password_can_be_in_a_file_of_its_own(conf_of, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Passw0rd!\r\nsecond line\n")

    found = host_settings.host_settings(conf_of(f"[hyperv]\npassword = other\npassword_file = {secret}"), "hv1")

    assert found.password == "Passw0rd!"
    assert "Passw0rd!" not in repr(found)


def test_a_password_file_that_is_missing_is_named(conf_of):
    with pytest.raises(ValueError, match="/nonexistent/secret"):
        host_settings.host_settings(conf_of("[hyperv]\npassword_file = /nonexistent/secret"), "hv1")


# [DEFAULT] instances_path, [hyperv] instances_path, what counts
FOLDERS = [
    (None, None, r"C:\OpenStack\Instances"),
    (None, "E:\\vms\\", r"E:\vms"),
    (r"D:\Instances", r"E:\vms", r"D:\Instances"),
    (r"\\filer\nova", None, r"\\filer\nova"),
    ("D:/Instances", None, r"D:\Instances"),
    ("/var/lib/nova/instances", r"E:\vms", r"E:\vms"),
]


@pytest.mark.parametrize(("nova_path", "hyperv_path", "counts"), FOLDERS)
def test_novas_own_instances_path_counts_where_it_is_one_on_windows(conf_of, nova_path, hyperv_path, counts):
    text = f"[DEFAULT]\ninstances_path = {nova_path}\n" if nova_path else ""
    text += f"[hyperv]\ninstances_path = {hyperv_path}\n" if hyperv_path else ""

    assert host_settings.host_settings(conf_of(text), "hv1").instances_path == counts


def test_an_instances_path_that_is_no_folder_on_windows_is_refused(conf_of):
    with pytest.raises(ValueError, match="instances_path"):
        host_settings.host_settings(conf_of("[hyperv]\ninstances_path = /srv/vms"), "hv1")


def test_nova_keeps_its_own_files_on_linux_where_an_old_nova_conf_has_a_windows_path(conf_of):
    conf = conf_of("[DEFAULT]\ninstances_path = D:\\Instances\n")

    settings.keep_novas_own_files_here(conf)

    assert conf.instances_path == "/var/lib/nova/instances"
    assert host_settings.host_settings(conf, "hv1").instances_path == r"D:\Instances"


def test_mappings_keep_their_order(conf_of):
    text = "[hyperv]\nphysical_network_vswitch_mappings = physnet1: vSwitch 1 ,*:other"

    assert host_settings.host_settings(conf_of(text), "hv1").switches == (("physnet1", "vSwitch 1"), ("*", "other"))


@pytest.mark.parametrize("entry", ["physnet1", "physnet1:", ":external"])
def test_a_mapping_that_is_none_is_refused(conf_of, entry):
    with pytest.raises(ValueError, match="physical_network:switch_name"):
        host_settings.host_settings(conf_of(f"[hyperv]\nphysical_network_vswitch_mappings = {entry}"), "hv1")


@pytest.mark.parametrize(
    ("written", "used"), [(r"C:\x\qemu-img.exe", "qemu-img"), ("/opt/bin/qemu-img", "/opt/bin/qemu-img")]
)
def test_a_windows_qemu_img_is_of_no_use_here(conf_of, written, used):
    assert options.qemu_img_command(conf_of(f"[hyperv]\nqemu_img_cmd = {written}")) == used
