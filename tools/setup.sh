#!/usr/bin/env bash
# Makes the checkout ready to work: system packages from bindep.txt, and .venv with the project and all its extras.
#
# Debian 12 as root, or Ubuntu with sudo. Does nothing, and that in a fraction of a second, when neither the lists of
# packages nor Python have changed since the last time. Output of apt and pip goes to .state/setup.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
readonly STAMP=$VENV/setup-stamp
readonly LOG=.state/setup.log
readonly WHEELS=.state/wheels
# PyPI has these only as source: they are compiled beside the rest's download.
readonly COMPILED='^(uWSGI|gssapi|krb5)=='

main() {
    local python stamp
    python=$(find_python)
    stamp=$(fingerprint "$python")
    if [ -x "$VENV/bin/python" ] && [ "$(cat $STAMP 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    mkdir -p .state
    : > $LOG
    step "system packages" system_packages
    # python3 itself may have come with them
    python=$(find_python)
    step "Python packages" python_packages "$python"
    fingerprint "$python" > $STAMP
}

# The whole path and the version: a virtualenv belongs to the interpreter that made it and to its place.
fingerprint() {
    { cat bindep.txt constraints.txt pyproject.toml tools/setup.sh; echo "$PWD"; [ -z "$1" ] || "$1" -VV; } | sha256sum
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$candidate" ] && command -v "$candidate" > /dev/null \
            && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

# step NAME FUNCTION ARGUMENTS...: runs the function in a shell of its own, where any failing command ends it (inside an
# `if`, bash would ignore that), with its output in the log. Shows the time it took, and the log's end if it failed.
step() {
    local name=$1 started=$SECONDS
    shift
    printf '  … %s (log: %s)\n' "$name" $LOG
    if ! bash tools/setup.sh "$@" >> $LOG 2>&1; then
        printf '%s failed; the end of %s:\n' "$name" $LOG >&2
        tail -n 25 $LOG >&2
        exit 1
    fi
    printf '  ✓ %4d s  %s\n' $((SECONDS - started)) "$name"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

system_packages() {
    local missing=()
    for package in $(sed 's/[#[].*//' bindep.txt); do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    # The guest image is made of packages that apt downloads but does not install: it must know them.
    if [ ${#missing[@]} -gt 0 ] || [ -z "$(apt-cache show --no-all-versions linux-image-cloud-amd64 linux-image-virtual 2>/dev/null)" ]; then
        as_root apt-get -q update
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing ${missing[*]}"
    # Databases and the like must not start as services of the system: ours are processes of the demo.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d > /dev/null
        as_root chmod +x /usr/sbin/policy-rc.d
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
        -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 "${missing[@]}"
}

python_packages() {
    local python=$1 pip requirement job
    if [ -z "$python" ]; then
        echo "no Python 3.11 or later found; set PYTHON to one"
        exit 1
    fi
    if [ ! -x $VENV/bin/pip ] || [ "$($VENV/bin/python -VV)" != "$("$python" -VV)" ] \
        || ! grep -qF "$PWD/$VENV" $VENV/bin/pip; then
        rm -rf $VENV
        "$python" -m venv $VENV
    fi
    pip="$VENV/bin/python -m pip --disable-pip-version-check -q"
    mkdir -p $WHEELS
    # Jobs in the background do not hear Ctrl-C.
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
    # Thin wrappers around C libraries: compiling them well takes three times as long as compiling them.
    for requirement in $(grep -E "$COMPILED" constraints.txt); do
        # wheels' names are in lower case
        compgen -G "$WHEELS/$(tr A-Z a-z <<< "${requirement/==/-}")-*.whl" > /dev/null && continue
        CFLAGS="-O0 -g0" $pip wheel --use-pep517 --no-deps -w $WHEELS "$requirement" &
    done
    # constraints.txt is complete, so nothing has to be resolved.
    $pip install --use-pep517 --no-compile --no-deps -r <(grep -Ev "$COMPILED" constraints.txt)
    for job in $(jobs -p); do wait "$job"; done
    $pip install --find-links $WHEELS -c constraints.txt -e '.[all]'
    # Not what nobody imports: a third of the files are OpenStack's own tests. Some packages ship templates named .py.
    $VENV/bin/python -m compileall -q -j 0 -x /tests/ $VENV/lib src demo > /dev/null || true
    $pip check
}

"${@:-main}"
