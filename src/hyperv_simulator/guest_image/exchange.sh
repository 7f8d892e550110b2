#!/bin/sh
# The guest's integration services: answers the host on its virtio port. The lines: guests/qemu_exchange.py.
#
# What the host tells is in /run/host_items, a file for each item; what is to be known outside goes to /run/guest_items.
export PATH=/bin

for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2> /dev/null)" = hyperv-simulator.exchange ] || continue
    name=${name%/name}
    exec 3<> "/dev/${name##*/}"
done
[ -e /proc/self/fd/3 ] || exit 0
mkdir -p /run/host_items /run/guest_items

coded() { text=$(printf %s "$1" | base64 -w 0); echo "${text:-=}"; }
plain() { [ "$1" = = ] || printf %s "$1" | base64 -d; }
answer() { echo "$*" >&3; }
intrinsic() { answer intrinsic "$(coded "$1")" "$(coded "$2")"; }

report() {
    intrinsic FullyQualifiedDomainName "$(hostname)"
    intrinsic NetworkAddressIPv4 "$(ip -4 -o address | awk '$2 != "lo" { sub("/.*", "", $4); printf "%s%s", s, $4; s = ";" }')"
    intrinsic NetworkAddressIPv6 "$(ip -6 -o address | awk '$2 != "lo" { sub("/.*", "", $4); printf "%s%s", s, $4; s = ";" }')"
    intrinsic OSName "Guest of hyperv-simulator"
    intrinsic OSVersion "$(uname -r)"
    intrinsic ProcessorArchitecture "$(uname -m)"
    for item in /run/guest_items/*; do
        [ -e "$item" ] && answer item "$(coded "${item##*/}")" "$(coded "$(cat "$item")")"
    done
    answer ok "$number"
}

take_items() {
    rm -f /run/host_items/*
    while read -r _ name value <&3 && [ "$name" != . ]; do
        plain "$value" > /run/item # whoever waits for the item finds it whole
        mv /run/item "/run/host_items/$(plain "$name" | tr / _)"
    done
    answer ok "$number"
}

take_file() { # <flags> <path>
    path=$(plain "$2")
    case $1 in -* ) [ -e "$path" ] && { rm -f /run/incoming; answer failed "$number" The file exists.; return; } ;; esac
    case $1 in *c) mkdir -p "${path%/*}" ;; esac
    touch /run/incoming
    if mv /run/incoming "$path" 2> /run/error; then answer ok "$number"; else answer failed "$number" "$(head -n 1 /run/error)"; fi
    rm -f /run/incoming
}

set_password() { # <user> <password>
    user=$(plain "$1")
    hash=$(plain "$2" | mkpasswd -m sha512 -P 0)
    awk -F : -v OFS=: -v user="$user" -v hash="$hash" '$1 == user { $2 = hash; found = 1 } { print } END { exit !found }' \
        /etc/passwd > /run/passwd || { answer failed "$number" "There is no user $user."; return; }
    cat /run/passwd > /etc/passwd
    answer ok "$number"
}

while read -r number verb first second <&3; do
    case $verb in
        report) report ;;
        items) take_items ;;
        data) plain "$first" >> /run/incoming ;;
        file) take_file "$first" "$second" ;;
        password) set_password "$first" "$second" ;;
    esac
done
