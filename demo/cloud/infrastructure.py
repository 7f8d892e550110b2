"""What OpenStack stands on: MariaDB, RabbitMQ, memcached. Debian's programs with data, ports and settings of ours.

Their durability is turned off where it can be: a demo that loses power starts afresh.
"""

from demo.cloud.config import save
from demo.cloud.ports import is_open
from demo.cloud.processes import LEVEL_BASE, Processes
from demo.settings import ADDRESS, DATABASES, PORTS, State


def start_memcached(processes: Processes) -> None:
    # It refuses to run as root.
    argv = ["/usr/bin/memcached", "-u", "nobody", "-l", ADDRESS, "-p", str(PORTS["memcached"]), "-m", "64", "-U", "0"]
    processes.start("memcached", argv, level=LEVEL_BASE)
    processes.wait_for("memcached", lambda: is_open((ADDRESS, PORTS["memcached"])), 10)


def start_mariadb(processes: Processes, state: State) -> None:
    """The server with a database per service, made at its first start."""
    data = state.data / "mariadb"
    if not (data / "mysql").is_dir():
        data.mkdir(parents=True, exist_ok=True)
        processes.run(
            ["/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--user=root"],
            log="mariadb",
        )
    statements = state.etc / "mariadb.sql"
    save(statements, initial_sql(state))
    processes.start(
        "mariadb",
        [
            "/usr/sbin/mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            f"--init-file={statements}",
            f"--bind-address={ADDRESS}",
            f"--port={PORTS['mariadb']}",
            "--socket=mariadb.sock",  # within the data folder: a long path would be too long for a socket
            f"--pid-file={state.run}/mariadb.pid",
            "--character-set-server=utf8mb3",
            "--max-connections=400",
            "--skip-name-resolve",
            "--performance-schema=0",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
            "--sync-binlog=0",
        ],
        level=LEVEL_BASE,
    )
    processes.wait_for("mariadb", lambda: is_open((ADDRESS, PORTS["mariadb"])), 60)


def initial_sql(state: State) -> str:
    """One statement per line, as ``init-file`` wants it; run at every start, so each may find its work done."""
    password = state.passwords["database"]
    return "\n".join(
        [
            f"CREATE USER IF NOT EXISTS openstack@'%' IDENTIFIED BY '{password}';",
            *(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;" for name in DATABASES),
            *(f"GRANT ALL ON {name}.* TO openstack@'%';" for name in DATABASES),
            "",
        ]
    )


def start_rabbitmq(processes: Processes, state: State) -> None:
    data = state.data / "rabbitmq"
    data.mkdir(parents=True, exist_ok=True)
    epmd = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(PORTS["epmd"])}
    # RabbitMQ would start Erlang's port mapper as a daemon that nobody ends; so it finds one that is ours.
    processes.start("epmd", ["/usr/bin/epmd"], env=epmd, level=LEVEL_BASE)
    processes.wait_for("epmd", lambda: is_open(("127.0.0.1", PORTS["epmd"])), 10)
    processes.start(
        "rabbitmq",
        ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
        env={
            **epmd,
            "HOME": str(data),
            "RABBITMQ_NODENAME": "demo@localhost",
            "RABBITMQ_DIST_PORT": str(PORTS["rabbitmq distribution"]),
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(state.log),
            "RABBITMQ_CONFIG_FILE": str(state.etc / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(state.etc / "rabbitmq_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            # One scheduler that sleeps when idle: the two cores are for the cloud and its guests.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
            "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        },
        level=LEVEL_BASE,
    )
    processes.wait_for("rabbitmq", lambda: is_open((ADDRESS, PORTS["rabbitmq"])), 90)
