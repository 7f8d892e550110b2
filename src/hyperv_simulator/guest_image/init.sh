#!/bin/sh
# The guest's first process: shows on the serial console what the cloud gave this machine, then offers a login there.
#
# Lines that a test looks for (ttyS0, one per event, never changed without the tests):
#   GUEST-READY hostname=<name> address=<ipv4>[,<ipv4>] uuid=<instance uuid>
#   PING <address> ok | PING <address> no answer      for each word of the lines "ping <address> ..." of the user data;
#                                                     tried for 30 s, or as long as a line "ping-timeout <seconds>" says
#   GUEST-STOPPING                                    the ACPI power button was pressed
# A program may follow in the user data, from a line "#!<interpreter>" on: it is run, and the console has what it prints.
export PATH=/bin

say() { echo "$*" > /dev/ttyS0; }

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /run /tmp /mnt /dev/pts
mount -t devpts pts /dev/pts
stty -F /dev/ttyS0 115200 2>/dev/null

# load <group>: the modules of a group, in their order (some are there twice: the first try fails).
load() { while read -r group module; do [ "$group" = "$1" ] && insmod "/modules/$module.ko" 2> /dev/null; done < /modules/order; }

load all
case $(cat /sys/bus/pci/devices/*/vendor) in *0x1af4*) load virtio ;; esac
case $(cat /sys/bus/pci/devices/*/class) in *0x0101*) load ide ;; esac

# The power button: any event of its device is a press.
for device in /sys/class/input/event*; do
    if [ "$(cat "$device/device/name" 2>/dev/null)" = "Power Button" ]; then
        (
            head -c 24 "/dev/input/${device##*/}" > /dev/null
            say GUEST-STOPPING
            sync
            poweroff -f
        ) &
    fi
done

# The config drive: an ISO on a DVD drive, an ISO on a disk without partitions, or a VFAT file system.
find_config_drive() { # <file system>
    for disk in /sys/class/block/sr* /sys/class/block/[sv]d*; do
        [ -e "$disk" ] || continue
        mount -t "$1" -o ro "/dev/${disk##*/}" /mnt 2> /dev/null || continue
        [ -e /mnt/openstack/latest/meta_data.json ] && return 0
        umount /mnt
    done
    return 1
}

# Disks appear a moment after their drivers: wait, but not for a machine without config drive.
uptime() { cut -d. -f1 /proc/uptime; }
end=$(($(uptime) + 2))
until find_config_drive iso9660; do
    [ "$(uptime)" -gt $end ] && { load vfat; find_config_drive vfat; break; }
    usleep 100000
done

data=/mnt/openstack/latest
touch /run/meta /run/network /run/user_data
[ -e $data/meta_data.json ] && awk -f /json.awk $data/meta_data.json > /run/meta
[ -e $data/network_data.json ] && awk -f /json.awk $data/network_data.json > /run/network
[ -e $data/user_data ] && tr -d '\r' < $data/user_data | awk '
    /^#!/ { program = 1 }
    { print > (program ? "/run/program" : "/run/user_data") }'
umount /mnt 2>/dev/null

# first <file> <path>: the value of the path, empty where there is none.
first() { awk -F '\t' -v want="$2" '$1 == want { print $2; exit }' "$1"; }
# numbers <list>: 0, 1, 2 … of the elements that the list has.
numbers() { awk -F '\t' -v list="$1." 'index($1, list) == 1 { split(substr($1, length(list) + 1), p, "."); if (!seen[p[1]]++) print p[1] }' /run/network; }

hostname=$(first /run/meta hostname)
uuid=$(first /run/meta uuid)
hostname "${hostname:-guest}"
ip link set lo up

# nic_of <link id>: the name of the network device with that link's MAC address.
nic_of() {
    for number in $(numbers links); do
        [ "$(first /run/network links.$number.id)" = "$1" ] || continue
        mac=$(first /run/network links.$number.ethernet_mac_address | tr A-Z a-z)
        for nic in /sys/class/net/*; do
            [ "$(cat "$nic/address")" = "$mac" ] && echo "${nic##*/}" "$(first /run/network links.$number.mtu)"
        done
    done
}

addresses=
for number in $(numbers networks); do
    set -- $(nic_of "$(first /run/network networks.$number.link)")
    [ -n "$1" ] || continue
    case $2 in '' | null) ;; *) ip link set "$1" mtu "$2" ;; esac
    ip link set "$1" up
    [ "$(first /run/network networks.$number.type)" = ipv4 ] || continue
    address=$(first /run/network networks.$number.ip_address)
    netmask=$(first /run/network networks.$number.netmask)
    case $address in */*) ;; *) address=$address/$netmask ;; esac
    ip address add "$address" dev "$1"
    addresses=${addresses:+$addresses,}${address%/*}
    for route in $(numbers networks.$number.routes); do
        to=$(first /run/network networks.$number.routes.$route.network)
        ip route add "$to/$(first /run/network networks.$number.routes.$route.netmask)" \
            via "$(first /run/network networks.$number.routes.$route.gateway)" dev "$1"
    done
done

/exchange &
say "GUEST-READY hostname=${hostname:-none} address=${addresses:-none} uuid=${uuid:-none}"

limit=$(awk '$1 == "ping-timeout" { print $2 + 0; exit }' /run/user_data)
for neighbour in $(awk '$1 == "ping" { for (i = 2; i <= NF; i++) print $i }' /run/user_data); do
    (
        end=$(($(uptime) + ${limit:-30}))
        answer="no answer"
        while [ "$(uptime)" -le $end ]; do
            ping -c 1 -W 1 "$neighbour" > /dev/null 2>&1 && answer=ok && break
            sleep 1
        done
        say "PING $neighbour $answer"
    ) &
done

[ -e /run/program ] && chmod +x /run/program && /run/program > /dev/ttyS0 2>&1 < /dev/null &

exec init
